"""System checks: keys of personal data that would lose or weaken it are refused at start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.security)
def keys_of_personal_data(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Encryption and blind index each have keys of their own.

    Without FERNET_KEYS the library would encrypt with SECRET_KEY: changing that, as one does after
    a leak, would lose every e-mail.
    """
    fernet_keys = getattr(settings, "FERNET_KEYS", None) or []
    errors: list[CheckMessage] = []
    if not fernet_keys or not all(fernet_keys):
        errors.append(
            Error("FERNET_KEYS is not set.", hint="Newest first, by comma.", id="accounts.E001")
        )
    if settings.SECRET_KEY in fernet_keys:
        errors.append(Error("SECRET_KEY must not be one of FERNET_KEYS.", id="accounts.E002"))
    if not settings.BLIND_INDEX_KEY:
        errors.append(Error("BLIND_INDEX_KEY is not set.", id="accounts.E003"))
    if settings.BLIND_INDEX_KEY in [*fernet_keys, settings.SECRET_KEY]:
        errors.append(
            Error(
                "BLIND_INDEX_KEY must differ from SECRET_KEY and from each of FERNET_KEYS.",
                id="accounts.E004",
            )
        )
    return errors
