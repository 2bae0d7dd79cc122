"""What engagement adds to the page of a person: their newest events."""

from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin.extensions import panels
from accounts.models import User
from engagement import selectors
from promopulse.lib.admin.panels import Panel
from promopulse.lib.admin.shown import link, moment, table

SHOWN = 20


def events(request: HttpRequest, user: User) -> SafeString | str:
    if not request.user.has_perm("engagement.view_event"):
        return "Your role does not read single events."
    found = selectors.facts(user_id=user.pk).order_by("-occurred_at", "-id")[:SHOWN]
    return table(
        ("When (UTC)", "Type", "Promotion", "Amount"),
        [
            (
                moment(one.occurred_at),
                one.type,
                link("admin:promotions_promotion_change", one.promotion_id, one.promotion_id),
                "" if one.amount is None else one.amount,
            )
            for one in found
        ],
    )


panels.append(Panel("events", f"The newest {SHOWN}", events))
