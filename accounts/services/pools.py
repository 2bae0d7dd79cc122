"""Make and change pools and who is in them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from accounts import audit, pii
from accounts.errors import PoolInUse
from accounts.models import Pool, PoolMembership, User
from promopulse.lib.errors import Invalid, NotFound
from promopulse.lib.problems import constraint_of

INSERT_ROWS = 2_000


@dataclass(frozen=True)
class Moved:
    """Who moved: how many did, how many were there (or gone) already, who is not known."""

    moved: int
    already: int
    unknown: list[int | str]


def create_pool(*, name: str, description: str = "", user_ids: Iterable[int] = ()) -> Pool:
    """Make a pool with its first users. Raises Invalid for a taken name or unknown users."""
    wanted = set(user_ids)
    with transaction.atomic():
        with _name_taken_named():
            pool = Pool.objects.create(name=name, description=description)
        known = _existing(wanted)
        if unknown := sorted(wanted - known):
            raise Invalid("user_ids", f"Unknown users: {_some(unknown)}.", "unknown_user")
        _insert(pool, known)
        pool.user_count = len(known)
        audit.record("pool.create", pool, after={"name": name, "users": len(known)})
    return pool


def update_pool(pool_id: int, **changes: Any) -> Pool:
    """Change name or description. Raises NotFound, and Invalid for a taken name."""
    with transaction.atomic():
        pool = _locked(pool_id)
        before = {name: getattr(pool, name) for name in changes}
        changed = {name: value for name, value in changes.items() if value != before[name]}
        if changed:
            with _name_taken_named():
                Pool.objects.filter(pk=pool.pk).update(**changed)
            for name, value in changed.items():
                setattr(pool, name, value)
            audit.record(
                "pool.update", pool, before={name: before[name] for name in changed}, after=changed
            )
    return pool


def delete_pool(pool_id: int) -> None:
    """Remove a pool; its users stay. Raises NotFound, and PoolInUse for an audience."""
    try:
        with transaction.atomic():
            pool = _locked(pool_id)
            audit.record("pool.delete", pool, before={"name": pool.name, "users": pool.user_count})
            pool.delete()
    except IntegrityError:  # Django's ProtectedError is one, and so is a lost race
        raise PoolInUse() from None


def add_users(
    pool_id: int, *, user_ids: Iterable[int] = (), emails: Iterable[str] = ()
) -> tuple[Pool, Moved]:
    """Put users into a pool; who is unknown is listed, the rest go in. Raises NotFound."""
    user_ids, emails = set(user_ids), list(emails)
    with transaction.atomic():
        pool = _locked(pool_id)
        known, unknown = _sorted_out(user_ids, emails)
        present = _members(pool, known)
        joining = known - present
        _insert(pool, joining)
        if joining:
            audit.record("pool.add_users", pool, after={"user_ids": sorted(joining)})
        pool.user_count += len(joining)
    return pool, Moved(len(joining), len(present), unknown)


def remove_users(
    pool_id: int, *, user_ids: Iterable[int] = (), emails: Iterable[str] = ()
) -> tuple[Pool, Moved]:
    """Take users out of a pool. Raises NotFound."""
    user_ids, emails = set(user_ids), list(emails)
    with transaction.atomic():
        pool = _locked(pool_id)
        known, unknown = _sorted_out(user_ids, emails)
        leaving = _members(pool, known)
        PoolMembership.objects.filter(pool=pool, user_id__in=leaving).delete()
        if leaving:
            audit.record("pool.remove_users", pool, before={"user_ids": sorted(leaving)})
        pool.user_count -= len(leaving)
    return pool, Moved(len(leaving), len(known - leaving), unknown)


def _locked(pool_id: int) -> Pool:
    """The pool, so that two changes of one pool follow each other and their counts are true."""
    pool = Pool.objects.select_for_update(no_key=True).filter(pk=pool_id).first()
    if pool is None:
        raise NotFound()
    return pool


def _sorted_out(user_ids: set[int], emails: list[str]) -> tuple[set[int], list[int | str]]:
    """Ids of the users that exist, and the ids and e-mails that lead to nobody."""
    by_index = {pii.email_index(email): email for email in emails}
    rows = User.objects.filter(email_bidx__in=list(by_index)).values_list("email_bidx", "id")
    found = {bytes(index): user_id for index, user_id in rows if index is not None}
    known_ids = _existing(user_ids)
    unknown: list[int | str] = [*sorted(user_ids - known_ids)]
    unknown += [email for index, email in by_index.items() if index not in found]
    return known_ids | set(found.values()), unknown


def _existing(user_ids: set[int]) -> set[int]:
    return set(User.objects.filter(pk__in=user_ids, erased_at=None).values_list("pk", flat=True))


def _members(pool: Pool, user_ids: set[int]) -> set[int]:
    rows = PoolMembership.objects.filter(pool=pool, user_id__in=user_ids)
    return set(rows.values_list("user_id", flat=True))


def _insert(pool: Pool, user_ids: set[int]) -> None:
    PoolMembership.objects.bulk_create(
        [PoolMembership(pool=pool, user_id=user_id) for user_id in sorted(user_ids)],
        batch_size=INSERT_ROWS,
    )


def _some(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return f"{shown} and {len(numbers) - 10} more" if len(numbers) > 10 else shown


@contextmanager
def _name_taken_named() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "name" not in constraint_of(error):
            raise
        raise Invalid("name", "A pool with this name exists already.", "unique") from None
