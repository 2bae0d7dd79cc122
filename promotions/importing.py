"""Promotions out of a file: made as drafts, kept up to date, activated if asked for.

A promotion is known by the file's own id (`source_id`). Few rows, so each goes through the
services, in a transaction of its own, and is refused like any other edit: an active promotion takes
a new name and description. What discounts add is in promotions.discounts.importing.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, cast

from django.db import transaction

from promopulse.lib.errors import DomainError, Invalid
from promopulse.lib.importing.columns import (
    MAX_SOURCE_ID,
    Columns,
    as_flag,
    as_source_id,
    as_text,
    as_time,
)
from promopulse.lib.importing.reading import Row
from promopulse.lib.importing.reporting import Report
from promotions import services
from promotions.models import Promotion
from promotions.states import Status

FIELDS = {
    "id",
    "source_id",
    "name",
    "description",
    "start_at",
    "end_at",
    "timezone",
    "currency",
    "is_targeted",
}
ALIASES = {"start_date": "start_at", "end_date": "end_at"}
_REQUIRED = ("name", "start_at", "end_at")


def promotion_ids(source_ids: list[str]) -> Iterable[tuple[str, int]]:
    """(source_id, id) of those that exist."""
    pairs = Promotion.objects.filter(source_id__in=source_ids).values_list("source_id", "id")
    return cast(Iterable[tuple[str, int]], pairs)


class PromotionImporter:
    """`source` is the name the file's ids are kept under; without it rows bring a `source_id`."""

    more_fields: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        report: Report,
        *,
        source: str | None,
        renames: Mapping[str, str],
        activate: bool = False,
    ) -> None:
        self._report = report
        self._source = source
        self._activate = activate
        fields = FIELDS | self.more_fields
        self._columns = Columns(fields if source else fields - {"id"}, renames, ALIASES)
        report.speak_of(self._columns)

    def take(self, rows: list[Row]) -> None:
        for row in rows:
            try:
                self._report.count(self._import(row))
            except DomainError as refusal:
                self._report.refused(row.line, refusal)

    def finish(self) -> None:
        """Every row stands for itself."""

    def close(self) -> None:
        """Nothing is open."""

    def _import(self, row: Row) -> str:
        given, metadata = self._columns.split(row.values)
        more = self.take_more(given, metadata)
        wanted = _clean(given, self._source) | {"metadata": metadata}
        with transaction.atomic():
            known = Promotion.objects.filter(source_id=wanted["source_id"]).first()
            if known is None:
                promotion = services.create_promotion(**wanted)
            else:
                promotion = services.update_promotion(known.pk, changes=wanted)
            self.store_more(promotion, more)
            promotion.refresh_from_db(fields=["version"])
            if self._activate and promotion.status == Status.DRAFT:
                services.change_status(promotion.pk, status=Status.ACTIVE)
                self._report.count("activated")
        if known is None:
            return "created"
        return "unchanged" if promotion.version == known.version else "updated"

    def take_more(self, given: dict[str, Any], metadata: dict[str, Any]) -> Any:
        """Take out of a row's fields what is no field of a promotion. Raises Invalid."""

    def store_more(self, promotion: Promotion, more: Any) -> None:
        """Store what `take_more` took. Raises what services refuse."""


def _clean(given: dict[str, Any], source: str | None) -> dict[str, Any]:
    """The fields of a promotion; its services check the rest. Raises Invalid."""
    fields = dict(given)
    own_id = fields.pop("id", fields.get("source_id"))
    if own_id is None:
        raise Invalid(
            "source_id", "An id under --source, or a source_id, is needed to find it again.",
            "required",
        )  # fmt: skip
    fields["source_id"] = (
        as_source_id("id", source, own_id)
        if source
        else as_text("source_id", own_id, MAX_SOURCE_ID)
    )
    for name in _REQUIRED:
        if name not in fields:
            raise Invalid(name, "This is needed.", "required")
    for name in ("start_at", "end_at"):
        fields[name] = as_time(name, fields[name])
    if "is_targeted" in fields:
        fields["is_targeted"] = as_flag("is_targeted", fields["is_targeted"])
    return fields
