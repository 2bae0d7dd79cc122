"""Every page of the console: sound, fit for everybody, in both themes and on a phone."""

import pytest

from promopulse.tests.browser.window import NARROW, NARROWEST, WIDE

# Colours differ by theme, the order of things by width: axe looks once in each theme, at the size
# that pages are loaded in; then the window is made another size.
APPEARANCES = [
    pytest.param(False, WIDE, NARROW, id="light"),
    pytest.param(True, NARROWEST, WIDE, id="dark"),
]
DISTRIBUTE = (
    "/admin/coupons/distribution/distribute/"
    "?asked=1&pool=1&book=1&mode=equal&counted=each&how_many=2&seed=7"
)
PAGES = [
    ("admin", "/admin/"),
    ("mia", "/admin/promotions/promotion/"),
    ("mia", "/admin/promotions/promotion/1/change/"),
    ("mia", "/admin/promotions/promotion/add/"),
    ("mia", "/admin/promotions/promotion/move/pause/?ids=1"),
    ("mia", "/admin/subscriptions/subscription/"),
    ("mia", "/admin/subscriptions/subscription/switch/deactivate/?ids=1,2"),
    ("omar", "/admin/discounts/redemption/"),
    ("omar", "/admin/engagement/event/"),
    ("omar", "/admin/engagement/eventstat/?q=1"),
    ("omar", "/admin/engagement/eventstat/act/stats_rebuild/"),
    ("omar", "/admin/engagement/deadletterevent/"),
    ("omar", "/admin/engagement/deadletterevent/1/change/"),
    ("omar", "/admin/engagement/deadletterevent/act/replay/?cause=promotion_not_active"),
    ("omar", "/admin/accounts/auditentry/"),
    ("admin", "/admin/accounts/apikey/"),
    ("admin", "/admin/accounts/user/"),
    ("admin", "/admin/accounts/user/4/change/"),
    ("admin", "/admin/accounts/user/4/reveal/"),
    ("admin", "/admin/accounts/user/4/change/?tab=events"),
    ("admin", "/admin/accounts/user/4/erase/"),
    ("mia", "/admin/accounts/user/4/export/"),
    ("admin", "/admin/accounts/job/"),
    ("mia", "/admin/promotions/promotion/1/change/?tab=performance"),
    ("mia", "/admin/promotions/promotion/1/change/?tab=history"),
    ("mia", "/admin/promotions/promotion/1/why-not/"),
    ("mia", "/admin/coupons/couponbook/"),
    ("mia", "/admin/coupons/couponbook/1/change/"),
    ("mia", "/admin/coupons/couponbook/1/change/?tab=batches"),
    ("mia", "/admin/coupons/couponbook/1/change/?tab=coupons"),
    ("mia", "/admin/coupons/couponbook/1/generate/"),
    ("mia", "/admin/coupons/couponbook/1/generate/?asked=1&count=20000&length=8"),
    ("mia", "/admin/coupons/couponbook/1/generate/?asked=1&count=20000&length=4"),
    ("mia", "/admin/coupons/couponbook/1/upload/"),
    ("mia", "/admin/coupons/couponbook/1/codes/"),
    ("mia", "/admin/coupons/codebatch/1/change/"),
    ("admin", "/admin/coupons/codebatch/1/sheet/"),
    ("mia", "/admin/coupons/coupon/?book=1&state=ASSIGNED"),
    ("admin", "/admin/coupons/coupon/1/change/"),
    ("admin", "/admin/coupons/coupon/1/assign/"),
    ("mia", "/admin/coupons/distribution/"),
    ("mia", "/admin/coupons/distribution/distribute/?book=1"),
    ("mia", DISTRIBUTE),
    ("mia", "/admin/accounts/pool/1/change/"),
    ("mia", "/admin/accounts/pool/1/members/"),
    ("mia", "/admin/promotions/promotion/move/activate/?ids=9"),
]


@pytest.mark.parametrize(("dark", "first", "then"), APPEARANCES)
def test_pages(window, dark, first, then):
    found = {}
    people = {person: window(person, dark=dark) for person, _path in PAGES}
    for person, path in PAGES:
        view = people[person]
        view.resize(first)
        view.open(path)
        wrong = [*view.violations(), *_out_of_sight(view)]
        view.resize(then)
        if wrong := wrong + _out_of_sight(view):
            found[path] = wrong
    assert found == {}


def _out_of_sight(view):
    over = view.too_wide()
    wide = [f"{over} px too wide"] if over else []
    cut = view.cut_off("#result_list tbody > tr > *")
    return wide + [f"cut off: {words}" for words in cut]
