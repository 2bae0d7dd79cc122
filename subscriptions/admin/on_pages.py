"""What subscriptions add to the pages of promotions and people."""

from collections.abc import Sequence

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin import extensions as people
from accounts.models import User
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.shown import Tone
from promopulse.lib.sql import fetch_all
from promotions.admin.extensions import Panel, opt_ins, panels
from promotions.models import Promotion
from subscriptions.models import Subscription

SHOWN = 20
COUNTED_EACH = 1_000

_COUNTS = """
SELECT asked.id, (SELECT count(*) FROM (
    SELECT FROM subscriptions_subscription one
    WHERE one.promotion_id = asked.id AND one.is_active LIMIT %(most)s::integer) counted)
FROM unnest(%(ids)s::bigint[]) asked(id)
"""


def subscribers(request: HttpRequest, promotion: Promotion) -> SafeString:
    """How many have opted in to a promotion, and where they are listed."""
    active = Subscription.objects.filter(promotion=promotion, is_active=True)
    found = active.order_by()[: COUNTED_EACH + 1].count()
    return format_html(
        '{} <p class="pp-moves pp-after"><a class="pp-link" href="{}?q={}">All of them</a></p>',
        f"{COUNTED_EACH:,} or more"
        if found > COUNTED_EACH
        else looks.plural(found, "active opt-in"),
        reverse("admin:subscriptions_subscription_changelist"),
        promotion.pk,
    )


def of_a_person(request: HttpRequest, user: User) -> SafeString | str:
    """The newest opt-ins of a person."""
    found = Subscription.objects.filter(user=user).select_related("promotion").order_by("-id")
    return looks.table(
        ("Promotion", "Opted in (UTC)", "Now"),
        [
            (
                looks.link("admin:promotions_promotion_change", one.promotion_id, one.promotion),
                looks.moment(one.subscribed_at),
                looks.badge("check", "Active", Tone.GOOD)
                if one.is_active
                else looks.badge("stop", "Left", Tone.CALM),
            )
            for one in found[:SHOWN]
        ],
    )


def counts(promotions: Sequence[Promotion]) -> dict[int, str]:
    """How many have opted in to each, counted to a thousand and no further."""
    ids = [promotion.pk for promotion in promotions]
    found = fetch_all(_COUNTS, {"ids": ids, "most": COUNTED_EACH + 1})
    return {
        pk: f"{COUNTED_EACH:,}+" if count > COUNTED_EACH else f"{count:,}" for pk, count in found
    }


opt_ins.append(counts)
panels.append(Panel("audience", "Subscribers", subscribers, place=30))
people.panels.append(Panel("subscriptions", f"The newest {SHOWN}", of_a_person))
