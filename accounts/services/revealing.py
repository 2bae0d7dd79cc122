"""Showing personal data in clear: only with a reason, and never without a trace."""

from dataclasses import dataclass

from django.db import transaction

from accounts import audit
from accounts.errors import UserNotFound
from accounts.models import User
from promopulse.lib.errors import Invalid


@dataclass(frozen=True)
class Revealed:
    email: str
    phone: str


def reveal(user_id: int, *, reason: str) -> Revealed:
    """E-mail and phone of a person. Raises UserNotFound (also for one who is erased) and Invalid
    without a reason. Whether the caller may is the door's to ask.
    """
    reason = reason.strip()
    if not reason:
        raise Invalid("reason", "Say why it must be seen.", "required")
    with transaction.atomic():
        user = User.objects.filter(pk=user_id, erased_at=None).first()
        if user is None:
            raise UserNotFound()
        audit.record("user.reveal", user, reason=reason)
    return Revealed(str(user.email or ""), str(user.phone or ""))
