"""What discounts add to the page of a person: what was granted to them."""

from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin.extensions import panels
from accounts.models import User
from promopulse.lib.admin.panels import Panel
from promopulse.lib.admin.shown import link, moment, table
from promotions.discounts.admin.columns import amount
from promotions.discounts.models import Redemption

SHOWN = 20


def redemptions(request: HttpRequest, user: User) -> SafeString | str:
    found = Redemption.objects.filter(user=user).select_related("promotion").order_by("-id")
    return table(
        ("When (UTC)", "Promotion", "Order", "Granted", "Given back"),
        [
            (
                link("admin:discounts_redemption_change", one.pk, moment(one.granted_at)),
                one.promotion.name,
                one.order_id or "-",
                amount(one.amount, one.currency),
                amount(one.reversed, one.currency) if one.reversed else "-",
            )
            for one in found[:SHOWN]
        ],
    )


panels.append(Panel("redemptions", f"The newest {SHOWN}", redemptions))
