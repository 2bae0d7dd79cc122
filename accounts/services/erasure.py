"""Erasing a person: what is known about them goes, their id stays for ledgers and counts.

Which row is the truth: `User.erased_at`, set in the transaction that clears the row.
Lock order: each pool, in a transaction of its own; then the user without its key, stored answers,
tokens, and last the user's own keys. A crash leaves a person who is still known, or one who is not.
"""

from collections.abc import Iterator

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import audit
from accounts.errors import UserNotFound
from accounts.models import IdempotencyRecord, PoolMembership, RefreshToken, User
from accounts.services.pools import remove_users
from accounts.services.users import end_sessions
from accounts.traces import Person, shows
from promopulse.lib.problems import CONTENT_TYPE, document
from promopulse.lib.time import db_now

_PERSONAL = ("name", "email", "phone", "source_id", "metadata")
_ERASED = "The answer showed a person who has been erased since."
_ANSWERS_A_LOOK = 500


def find_user(
    user_id: int | None = None, *, email: str | None = None, source_id: str | None = None
) -> User:
    """Who is meant, by id (erased ones too), e-mail or source_id. Raises UserNotFound."""
    if email is not None:
        user = User.objects.by_email(email)
    else:
        wanted = Q(source_id=source_id) if source_id is not None else Q(pk=user_id)
        user = User.objects.filter(wanted).first()
    if user is None:
        raise UserNotFound()
    return user


def count_traces(user_id: int) -> dict[str, int]:
    """What `erase_user` would take away now."""
    user = find_user(user_id)
    return {
        "fields": len(_known(user)),
        "pools": PoolMembership.objects.filter(user=user).count(),
        "refresh_tokens": RefreshToken.objects.filter(user=user).count(),
        "answers": _own_answers(user).count() + sum(1 for _ in _answers_about(user)),
    }


def erase_user(user_id: int, *, reason: str = "") -> dict[str, int]:
    """Forget who a user is: the row keeps its id, role and times. They can never log in again.

    Raises UserNotFound. Once more for one who is erased already: takes away what was left.
    """
    pools = _leave_pools(find_user(user_id))
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=user_id)
        known = _known(user)
        answers = _forget_answers(user)
        end_sessions(user)
        tokens, _ = RefreshToken.objects.filter(user=user).delete()
        if user.erased_at is None:
            _clear(user)
            audit.record(
                "user.erase",
                user,
                before=dict.fromkeys(known),
                after={"is_active": False},
                reason=reason,
            )
    return {"fields": len(known), "pools": pools, "refresh_tokens": tokens, "answers": answers}


def _known(user: User) -> list[str]:
    return [name for name in _PERSONAL if getattr(user, name)]


def _clear(user: User) -> None:
    user.name, user.metadata = "", {}
    user.email = user.phone = user.source_id = user.last_login = None  # type: ignore[assignment]
    user.set_unusable_password()
    user.is_active, user.erased_at = False, db_now()
    user.save(update_fields=[*_PERSONAL, "last_login", "password", "is_active", "erased_at"])


def _leave_pools(user: User) -> int:
    pools = sorted(PoolMembership.objects.filter(user=user).values_list("pool_id", flat=True))
    for pool_id in pools:
        remove_users(pool_id, user_ids=[user.pk])
    return len(pools)


def _forget_answers(user: User) -> int:
    """Delete what was answered to them; what was answered about them says only that it is gone.

    The keys of others stay used: without its record a repeat would have its effect a second time,
    and make the person anew.
    """
    forgotten, _ = _own_answers(user).delete()
    for record in _answers_about(user):
        path = record.operation.partition(" ")[2]
        record.body = document("not_found", _ERASED, instance=path).decode()  # type: ignore[assignment]
        record.status, record.content_type = 404, CONTENT_TYPE
        record.save(update_fields=["status", "content_type", "body"])
        forgotten += 1
    return forgotten


def _own_answers(user: User) -> QuerySet[IdempotencyRecord]:
    return IdempotencyRecord.objects.filter(client=f"user:{user.pk}")


def _answers_about(user: User) -> Iterator[IdempotencyRecord]:
    """Answers to others that show them. All are read: they are kept for two days only."""
    person = Person(
        user.pk,
        name=user.name,
        email=str(user.email or ""),
        phone=str(user.phone or ""),
        source_id=user.source_id,
    )
    others = IdempotencyRecord.objects.exclude(client=f"user:{user.pk}")
    for record in others.order_by("id").iterator(chunk_size=_ANSWERS_A_LOOK):
        if shows(str(record.body), person):
            yield record
