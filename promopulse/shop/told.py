"""What became of an action, told on the page that its POST leads to.

It travels in the address, signed for the person and for a few minutes, so that two windows of one
session never take each other's words, as they would out of a session.
"""

from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from django.core import signing
from django.http import HttpRequest, HttpResponseRedirect

from promopulse.lib.errors import DomainError

_PARAMETER, _SALT, _SECONDS = "told", "promopulse.shop.told", 300


@dataclass(frozen=True)
class Told:
    """One outcome: the HTTP status the API would give, the problem code (empty where it went
    well), and the sentence. `about` names what it stands beside, `action` what was tried."""

    status: int
    words: str
    code: str = ""
    about: str = ""
    action: str = ""

    @property
    def went_well(self) -> bool:
        return self.status < 400

    @classmethod
    def of(cls, refusal: DomainError, *, about: str = "", action: str = "") -> "Told":
        return cls(refusal.status, refusal.detail, refusal.code, about, action)


def redirect(request: HttpRequest, url: str, told: Told) -> HttpResponseRedirect:
    """Go on to `url`, which then tells it."""
    signed = signing.dumps(list(asdict(told).values()), salt=_salt(request))
    joint = "&" if "?" in url else "?"
    return HttpResponseRedirect(f"{url}{joint}{urlencode({_PARAMETER: signed})}")


def told_in(request: HttpRequest) -> Told | None:
    """What this page is to tell; None for words of somebody else, or old ones."""
    signed = request.GET.get(_PARAMETER)
    if not signed:
        return None
    try:
        return Told(*signing.loads(signed, salt=_salt(request), max_age=_SECONDS))
    except signing.BadSignature:
        return None


def _salt(request: HttpRequest) -> str:
    return f"{_SALT}.{request.user.pk}"
