"""What engagement adds to the page of a person: their newest events."""

from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin.extensions import panels
from accounts.models import User
from engagement import selectors
from promopulse.lib.admin.panels import Panel
from promopulse.lib.admin.shown import link, moment, table
from promopulse.lib.money import money_text

SHOWN = 20
PROMOTION = "admin:promotions_promotion_change"


def events(request: HttpRequest, user: User) -> SafeString | str:
    if not request.user.has_perm("engagement.view_event"):
        return "Your role does not read single events."
    theirs = selectors.with_currency(selectors.facts(user_id=user.pk))
    found = theirs.order_by("-id")[:SHOWN]
    return table(
        ("When (UTC)", "Type", "Promotion", "Amount"),
        [
            (
                moment(one.occurred_at),
                one.type,
                link(PROMOTION, one.promotion_id, f"Promotion {one.promotion_id}"),
                _amount(one),
            )
            for one in found
        ],
    )


def _amount(event: Any) -> str:
    if event.amount is None:
        return ""
    return f"{money_text(event.amount, event.currency)} {event.currency}"


panels.append(Panel("events", f"The newest {SHOWN}", events))
