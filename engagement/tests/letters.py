"""What the dead-letter tests share: letters of a draft promotion, and the audit."""

import json
from collections.abc import Collection
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from typing import Any

from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from accounts.tests.factories import UserFactory
from engagement import processing
from engagement.models import DeadLetterEvent, EventStat, IngestBatch
from engagement.tests.factories import event, send_and_process
from promotions.services import change_status
from promotions.tests.factories import PromotionFactory


def draft_letters(number: int, poison: Collection[int] = ()) -> list[dict[str, Any]]:
    """Events of a new draft promotion, all dead; as they were sent.

    The ids at the places of `poison` begin with this word. Letters stand in the order of their ids:
    those places must follow on each other.
    """
    promotion, user = PromotionFactory.create(), UserFactory.create()
    events = [event(user_id=user.pk, promotion_id=promotion.pk) for _ in range(number)]
    for place in poison:
        events[place]["event_id"] = f"poison-{place}"
    for one in events[max(poison, default=number) + 1 :]:
        one["event_id"] = f"z-{one['event_id']}"
    send_and_process(*events)
    return events


def promotion_of(events: list[dict[str, Any]]) -> int:
    promotion_id: int = events[0]["promotion_id"]
    return promotion_id


def activate(events: list[dict[str, Any]]) -> None:
    change_status(promotion_of(events), status="active")


def states() -> dict[str, int]:
    """Letters by state."""
    found: dict[str, int] = {}
    for state in DeadLetterEvent.objects.order_by("state").values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def counted() -> int:
    return sum(cell.events for cell in EventStat.objects.all())


def drain_all() -> None:
    """Process everything that waits, whether or not its time has come."""
    IngestBatch.objects.update(leased_until=datetime(2020, 1, 1, tzinfo=UTC))
    processing.drain()


def violations() -> dict[str, int]:
    """What `manage.py audit` finds wrong: nothing, as a rule."""
    out = StringIO()
    try:
        with redirect_stdout(out):
            call_command("audit", "--json", stdout=out)
    except CommandError:
        pass
    rows = json.loads(out.getvalue())["invariants"]
    return {row["words"]: row["violations"] for row in rows if row["violations"]}


def trail() -> list[tuple[str, int, str]]:
    """Action, count and reason of what was done to letters."""
    entries = AuditEntry.objects.filter(object_type="deadletterevent").order_by("pk")
    return [(entry.action, entry.after["count"], entry.reason) for entry in entries]
