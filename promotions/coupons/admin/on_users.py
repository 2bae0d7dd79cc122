"""What coupons add to the page of a person: the coupons that are or were theirs."""

from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin.extensions import panels
from accounts.models import User
from promopulse.lib.admin import shown as looks
from promopulse.lib.admin.panels import Panel
from promotions.coupons import selectors
from promotions.coupons.admin import shown
from promotions.coupons.admin.access import shown_code
from promotions.coupons.services.finding import clock

SHOWN = 20


def coupons(request: HttpRequest, user: User) -> SafeString | str:
    at = clock()
    found = selectors.coupons_of_user(user.pk, at=at).order_by("-pk")[:SHOWN]
    return looks.table(
        ("Code", "Book", "State", "Uses", "Assigned (UTC)"),
        [
            (
                looks.link("admin:coupons_coupon_change", one.pk, shown_code(request, one.code)),
                looks.link("admin:coupons_couponbook_change", one.book_id, one.book),
                shown.state_badge(one.state_at(at)),
                f"{one.uses:,} of {one.max_redemptions:,}",
                looks.moment(one.assigned_at) if one.assigned_at else "-",
            )
            for one in found
        ],
    )


panels.append(Panel("coupons", f"The newest {SHOWN}", coupons))
