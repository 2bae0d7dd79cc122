"""Password login by e-mail, found through the blind index."""

from typing import Any

from django.http import HttpRequest

from accounts.models import User


class EmailBackend:
    """For `authenticate()` and the admin's log-in form."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **_credentials: Any,
    ) -> User | None:
        if not username or password is None:
            return None
        user = User.objects.by_email(username)
        if user is None or not user.is_active or not user.has_usable_password():
            User().set_password(password)  # takes as long as checking one
            return None
        return user if user.check_password(password) else None

    def get_user(self, user_id: int) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()
