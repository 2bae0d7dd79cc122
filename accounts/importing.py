"""Users out of a file: new ones in bulk, known ones kept up to date.

A user is known by the file's own id (`source_id`), else by e-mail. What a row says and differs is
changed; what it does not say stays. Importing the same file again changes nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from accounts import audit, pii
from accounts.errors import EmailTaken
from accounts.models import User
from accounts.roles import Role
from accounts.services.users import UserFields, create_user, update_user
from promopulse.lib.errors import DomainError, Invalid, PermissionDenied
from promopulse.lib.importing.columns import (
    MAX_SOURCE_ID,
    Columns,
    as_source_id,
    as_text,
    check_metadata,
)
from promopulse.lib.importing.reading import Row
from promopulse.lib.importing.reporting import Report

FIELDS = {"id", "source_id", "email", "name", "first_name", "last_name", "phone", "role"}
_MAX_NAME = 255


def user_ids(source_ids: list[str]) -> Iterable[tuple[str, int]]:
    """(source_id, id) of those that exist."""
    pairs = User.objects.filter(source_id__in=source_ids).values_list("source_id", "id")
    return cast(Iterable[tuple[str, int]], pairs)


def make_users(source_ids: list[str]) -> Iterable[tuple[str, int]]:
    """Make customers who have nothing but a source_id; gives them and those made meanwhile."""
    unusable = make_password(None)
    with transaction.atomic():
        User.objects.bulk_create(
            [User(source_id=text, password=unusable) for text in source_ids],
            ignore_conflicts=True,
        )
        made = list(User.objects.filter(source_id__in=source_ids).only("id", "source_id"))
        audit.record_each("user.create", made, after=_shown({"source_id": True}))
    return [(str(user.source_id), user.pk) for user in made]


@dataclass
class _Wanted:
    """A row that can be a user."""

    line: int
    fields: dict[str, Any]
    metadata: dict[str, Any]
    index: bytes | None

    @property
    def keys(self) -> set[Any]:
        """What no two users share."""
        return {self.fields.get("source_id"), self.index} - {None}


class UserImporter:
    """`source` is the name the file's ids are kept under, None where it has none of its own."""

    def __init__(self, report: Report, *, source: str | None, renames: Mapping[str, str]) -> None:
        self._report = report
        self._source = source
        fields = FIELDS if source else FIELDS - {"id"}
        self._columns = Columns(fields, renames)
        report.speak_of(self._columns)

    def take(self, rows: list[Row]) -> None:
        waiting = [wanted for row in rows if (wanted := self._wanted(row))]
        while waiting:
            # A user who stands in two rows: the second row meets what the first has made.
            taken: set[Any] = set()
            now: list[_Wanted] = []
            later: list[_Wanted] = []
            for wanted in waiting:
                (later if taken & wanted.keys else now).append(wanted)
                taken |= wanted.keys
            self._import(now)
            waiting = later

    def finish(self) -> None:
        """Every batch stands for itself."""

    def close(self) -> None:
        """Nothing is open."""

    def _wanted(self, row: Row) -> _Wanted | None:
        try:
            given, metadata = self._columns.split(row.values)
            fields = _clean(given, self._source)
            check_metadata(metadata)
        except DomainError as refusal:
            self._report.refused(row.line, refusal)
            return None
        email = fields.get("email")
        return _Wanted(row.line, fields, metadata, pii.email_index(email) if email else None)

    def _import(self, rows: list[_Wanted]) -> None:
        by_source, by_index = _known(rows)
        new = []
        for wanted in rows:
            user = by_source.get(wanted.fields.get("source_id")) or by_index.get(wanted.index)
            if user is None:
                new.append(wanted)
            else:
                self._update(user, wanted)
        if not new:
            return
        try:
            with transaction.atomic():
                _create_all(new)
            self._report.count("created", len(new))
        except IntegrityError:
            # Somebody else made one of them at this moment: each for itself, then.
            for wanted in new:
                self._create(wanted)

    def _create(self, wanted: _Wanted) -> None:
        try:
            create_user(**_as_fields(wanted.fields | {"metadata": wanted.metadata}))
            self._report.count("created")
        except DomainError as refusal:
            self._report.refused(wanted.line, refusal)

    def _update(self, user: User, wanted: _Wanted) -> None:
        fields = wanted.fields | {"metadata": user.metadata | wanted.metadata}
        changes = {name: value for name, value in fields.items() if value != getattr(user, name)}
        if wanted.index and wanted.index == bytes(user.email_bidx or b""):
            changes.pop("email", None)  # the same address in other letters
        if not changes:
            self._report.count("unchanged")
            return
        try:
            if user.source_id and "source_id" in changes:
                raise EmailTaken()
            if user.role != Role.CUSTOMER:
                raise PermissionDenied("The user is staff: a file does not change staff.")
            update_user(user.pk, **_as_fields(changes))
            self._report.count("updated")
        except DomainError as refusal:
            self._report.refused(wanted.line, refusal)


def _clean(given: dict[str, Any], source: str | None) -> dict[str, Any]:
    """The fields of a user. Raises Invalid or PermissionDenied."""
    fields: dict[str, Any] = {}
    own_id = given.get("id", given.get("source_id"))
    if source and own_id is not None:
        fields["source_id"] = as_source_id("id", source, own_id)
    elif own_id is not None:
        fields["source_id"] = as_text("source_id", own_id, MAX_SOURCE_ID)
    if "email" in given:
        fields["email"] = _email(given["email"])
    if "phone" in given:
        fields["phone"] = _phone(given["phone"])
    parts = [given[part] for part in ("name", "first_name", "last_name") if part in given]
    if parts:
        texts = (as_text("name", part, _MAX_NAME) for part in parts)
        fields["name"] = as_text("name", " ".join(filter(None, texts)), _MAX_NAME)
    if given.get("role", Role.CUSTOMER) != Role.CUSTOMER:
        raise PermissionDenied("A file makes customers; other roles are the admin's to give.")
    fields = {name: value for name, value in fields.items() if value}
    if not fields.keys() & {"email", "source_id"}:
        raise Invalid("email", "An e-mail, or an id under --source, is needed.", "required")
    return fields


def _email(value: Any) -> str:
    email = as_text("email", value, pii.MAX_EMAIL)
    if email:
        try:
            validate_email(email)
        except ValidationError:
            raise Invalid("email", "Not an e-mail address.") from None
    return email


def _phone(value: Any) -> str:
    phone = as_text("phone", value, pii.MAX_PHONE)
    if phone and not pii.PHONE.fullmatch(phone):
        raise Invalid("phone", "Not a telephone number.")
    return phone


def _known(rows: list[_Wanted]) -> tuple[dict[Any, User], dict[Any, User]]:
    source_ids = [wanted.fields["source_id"] for wanted in rows if "source_id" in wanted.fields]
    indexes = [wanted.index for wanted in rows if wanted.index]
    by_source = {user.source_id: user for user in User.objects.filter(source_id__in=source_ids)}
    by_index = {
        bytes(user.email_bidx or b""): user for user in User.objects.filter(email_bidx__in=indexes)
    }
    return dict(by_source), dict(by_index)


def _create_all(rows: list[_Wanted]) -> None:
    unusable = make_password(None)  # the same for all: it is no secret
    users = [
        User(
            **wanted.fields,
            email_bidx=wanted.index,
            metadata=wanted.metadata,
            password=unusable,
        )
        for wanted in rows
    ]
    User.objects.bulk_create(users)
    said = set().union(*(wanted.fields for wanted in rows))
    audit.record_each("user.create", users, after=_shown(dict.fromkeys(said, True)))


def _shown(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": Role.CUSTOMER.value, **fields}


def _as_fields(values: dict[str, Any]) -> UserFields:
    return cast(UserFields, values)
