"""Coupons in the admin: found by code, drawn with their state, moved as the role allows."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry
from accounts.tests.factories import UserFactory
from promotions.coupons import states
from promotions.coupons.admin import diagram
from promotions.coupons.models import Coupon, CouponReversal
from promotions.coupons.services import books, holding, redeeming
from promotions.coupons.states import State
from promotions.coupons.tests.admin_pages import BOOKS, COUPONS, book, confirm, words_of
from promotions.coupons.tests.factories import held, made, named
from promotions.discounts.tests.factories import CampaignFactory
from promotions.tests.admin_pages import logged_in, said

pytestmark = pytest.mark.django_db
ROLES = ("admin", "marketer", "ops", "viewer")


@pytest.fixture
def admin():
    return logged_in("admin")[0]


def page_of(coupon):
    return f"{COUPONS}{coupon.pk}/change/"


def move(coupon, name):
    return f"{COUPONS}{coupon.pk}/{name}/"


def found(client, words, **filters):
    rows = client.get(COUPONS, {"q": words, **filters}).context["cl"].result_list
    return [row.code for row in rows]


# Lists


def test_a_whole_code_is_found_in_any_way_of_writing_it():
    named(book(), "GOLD-1", "GOLD-2", "SILVER-1")
    for role in ROLES:
        client, _ = logged_in(role)
        assert found(client, " gold 1 ") == ["GOLD-1"], role
        assert found(client, "BRONZE-1") == [], role


def test_a_beginning_finds_codes_only_for_who_may_see_them(admin):
    named(book(), "GOLD-1", "GOLD-2", "SILVER-1")
    assert found(admin, "gold") == ["GOLD-2", "GOLD-1"]
    assert found(admin, "g") == ["GOLD-2", "GOLD-1"]
    assert found(admin, "%") == found(admin, "_") == found(admin, "é") == []
    for role in ("marketer", "ops", "viewer"):
        assert found(logged_in(role)[0], "gold") == [], "or a mask could be read letter by letter"


def test_guessing_is_limited(rate_limits, settings):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"coupon_lookup": "2/minute"}
    named(book(), "GOLD-1")
    client, _ = logged_in("marketer")
    for _ in range(2):
        assert found(client, "WRONG-1") == []
    refused = client.get(COUPONS, {"q": "GOLD-1"})
    assert "Over the limit" in words_of(refused)
    assert list(refused.context["cl"].result_list) == []


def test_codes_are_masked_for_those_who_may_not_redeem_them(admin):
    code = made(book(), 1)[0].code
    assert code in admin.get(COUPONS).content.decode()
    for role in ("marketer", "ops", "viewer"):
        client, _ = logged_in(role)
        coupon = Coupon.objects.get()
        for path in (COUPONS, page_of(coupon)):
            page = client.get(path).content.decode()
            assert code not in page, (role, path)
            assert f"{code[:2]}***{code[-2:]}" in page


def test_states_are_those_of_now(admin, clock, ended):
    one, over = book(name="One"), book()
    free = made(one, 1)[0]
    lapsed = held(book=one)
    holding.lock(lapsed.code, user_id=lapsed.assigned_to_id, seconds=5)
    locked = held(book=one)
    holding.lock(locked.code, user_id=locked.assigned_to_id, seconds=900)
    made(over, 1)
    ended(over)
    clock(timedelta(seconds=10))

    def listed(state, of=one):
        page = admin.get(COUPONS, {"book": of.pk, "state": state})
        return {row.pk for row in page.context["cl"].result_list}

    assert listed("UNASSIGNED") == {free.pk}
    assert listed("ASSIGNED") == {lapsed.pk}
    assert listed("LOCKED") == {locked.pk}
    assert len(listed("EXPIRED", over)) == 1
    assert listed("UNASSIGNED", over) == set()
    assert len(listed("LOST")) == 3
    whole = admin.get(COUPONS, {"state": "LOCKED"})
    assert len(whole.context["cl"].result_list) == 4, "only within a book"


def test_what_is_listed_of_a_book_is_exported_from_the_book(admin):
    one = book()
    made(one, 1)
    page = admin.get(COUPONS, {"book": one.pk, "state": "UNASSIGNED"}).content.decode()
    address = f"{BOOKS}{one.pk}/codes/?state=UNASSIGNED"
    assert address in page
    assert admin.get(address).context["form"]["state"].value() == "UNASSIGNED"
    assert "/codes/" not in admin.get(COUPONS).content.decode()


def test_the_list_takes_no_query_a_row(admin):
    def queries(**filters):
        with CaptureQueriesContext(connection) as captured:
            assert admin.get(COUPONS, filters).status_code == 200
        return len(captured)

    one = book()
    held(book=one)
    few = queries(book=one.pk, state="ASSIGNED")
    for _ in range(5):
        held(book=one)
        held()
    assert queries(book=one.pk, state="ASSIGNED") == few <= 12
    assert queries() <= 12
    assert queries(q="A") <= 12


@pytest.mark.parametrize(
    "query", [{"book": "x"}, {"book": 2**70}, {"book": 4040}, {"q": "\ud800"}, {"q": "x" * 500},
              {"batch": "1"}, {"code_key__startswith": "A"}, {"p": "x"}]
)  # fmt: skip
def test_nonsense_in_the_address(admin, query):
    made(book(), 1)
    if query.get("q") == "\ud800":
        query = {"q": "\ufffd"}
    assert admin.get(COUPONS, query).status_code in (200, 302, 400)


# One coupon


def test_the_diagram_is_that_of_the_moves():
    for present in State:
        drawn = str(diagram.draw(present))
        assert drawn.count("pp-here") == 1
        assert f"{diagram.NAMES[present]}, now" in drawn
    for start, end, *_rest in diagram.MOVES:
        assert states.can_move(start, end), (start, end)


def test_all_that_is_known_of_a_coupon(admin):
    promotion = CampaignFactory()
    user = UserFactory(name="Alice")
    coupon = held(user, book(name="Summer", promotion=promotion))
    token = holding.lock(coupon.code, user_id=user.pk).token
    cart = redeeming.Cart(value=Decimal(80))
    redeeming.redeem(coupon.code, user_id=user.pk, lock_token=token, cart=cart, order_id="o-7")
    with CaptureQueriesContext(connection) as captured:
        page = admin.get(page_of(coupon))
    words = words_of(page)
    for said_so in (coupon.code, "Summer", "Alice", "o-7", "1 of 1", "Redeemed, now", "Used up",
                    "Discount", "lock", "redeem"):  # fmt: skip
        assert said_so in words, said_so
    assert len(captured) <= 16


def offers(client, coupon):
    return {
        one.title: one.why or "button" for one in client.get(page_of(coupon)).context["offered"]
    }


def test_buttons_are_the_legal_moves_and_the_rest_says_why(admin):
    coupon = made(book(), 1)[0]
    assert offers(admin, coupon) == {
        "Assign": "button",
        "Lock": "The coupon is not assigned.",
        "Unlock": "The coupon is not assigned.",
        "Redeem": "The coupon is not assigned.",
    }
    coupon = held()
    assert offers(admin, coupon) == {
        "Assign": "Coupon not available",
        "Lock": "button",
        "Unlock": "It is not locked.",
        "Redeem": "button",
    }
    holding.lock(coupon.code, user_id=coupon.assigned_to_id)
    assert offers(admin, coupon) == {
        "Assign": "Coupon not available",
        "Lock": "Already locked",
        "Unlock": "button",
        "Redeem": "Cannot redeem LOCKED coupon",
    }
    no = "Your role does not allow this."
    assert offers(logged_in("ops")[0], coupon)["Unlock"] == "button"
    assert offers(logged_in("marketer")[0], coupon)["Unlock"] == no
    assert offers(logged_in("viewer")[0], coupon)["Unlock"] == no
    assert offers(logged_in("marketer")[0], made(book(), 1)[0])["Assign"] == "button"
    assert offers(logged_in("ops")[0], made(book(), 1)[0])["Assign"] == no
    coupon = held()
    redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id)
    assert offers(admin, coupon) == {
        "Assign": "Coupon not available",
        "Lock": "Invalid transition",
        "Unlock": "Invalid transition",
        "Redeem": "Terminal state",
    }
    coupon = held()
    books.update_book(coupon.book_id, changes={"is_active": False})
    assert offers(admin, coupon)["Redeem"] == "The book is not active."


def test_a_coupon_is_assigned(admin):
    coupon, user = made(book(), 1)[0], UserFactory(name="Alice")
    page = admin.get(move(coupon, "assign"))
    assert confirm(admin, page).context["form"].errors
    assert said(confirm(admin, page, user=user.pk)) == ["Assigned to Alice."]
    coupon.refresh_from_db()
    assert coupon.assigned_to == user
    again = confirm(admin, page, user=user.pk)
    assert said(again)[-1] == "The plan changed, review it again."


def test_ops_unlock_with_a_reason():
    client, user = logged_in("ops")
    coupon = held()
    holding.lock(coupon.code, user_id=coupon.assigned_to_id)
    page = client.get(move(coupon, "unlock"))
    assert confirm(client, page).context["form"].errors
    answer = confirm(client, page, reason="The till broke")
    assert said(answer) == ["Unlocked."]
    coupon.refresh_from_db()
    assert coupon.state == "ASSIGNED"
    entry = AuditEntry.objects.get(action="coupon.force_unlock")
    assert (entry.actor_user, entry.reason, entry.via) == (user, "The till broke", "admin")
    nothing = client.get(move(coupon, "unlock"))
    assert nothing.context["plan"].count == 0
    assert "It is not locked." in words_of(nothing)


def test_admins_lock_and_redeem_for_the_holder(admin):
    coupon = held()
    told = said(confirm(admin, admin.get(move(coupon, "lock")), seconds="60"))[0]
    token = re.search(r"shown this once: (\S+)", told)[1]
    holding.unlock(coupon.code, user_id=coupon.assigned_to_id, lock_token=token)
    answer = confirm(admin, admin.get(move(coupon, "redeem")), order_id="o-1")
    assert said(answer)[-1] == "Redeemed; 0 uses left."
    coupon.refresh_from_db()
    assert coupon.state == "REDEEMED"


def test_a_book_with_a_promotion_asks_for_the_cart(admin):
    coupon = held(book=book(promotion=CampaignFactory(discount={"min_cart_value": 50})))
    page = admin.get(move(coupon, "redeem"))
    assert confirm(admin, page).context["form"].errors.keys() == {"cart_value"}
    for cart in ("-1", "x", "NaN", "1e20"):
        assert "cart_value" in confirm(admin, page, cart_value=cart).context["form"].errors
    refused = confirm(admin, page, cart_value="20")
    assert "needs 30.00 more" in said(refused)[-1]
    coupon.refresh_from_db()
    assert coupon.uses == 0
    confirm(admin, page, cart_value="80")
    coupon.refresh_from_db()
    assert coupon.uses == 1


def test_a_public_code_is_redeemed_for_a_person(admin):
    coupon, user = made(book(requires_assignment=False), 1)[0], UserFactory()
    assert offers(admin, coupon)["Redeem"] == "button"
    confirm(admin, admin.get(move(coupon, "redeem")), user=user.pk)
    assert coupon.redemptions.get().user == user


def test_a_use_is_given_back_once_with_a_reason():
    client, _ = logged_in("ops")
    coupon = held()
    use = redeeming.redeem(coupon.code, user_id=coupon.assigned_to_id).redemption
    address = f"{COUPONS}redemptions/{use.pk}/reverse/"
    assert address in client.get(page_of(coupon)).content.decode()
    page = client.get(address)
    assert confirm(client, page).context["form"].errors
    assert said(confirm(client, page, reason="Sent back")) == ["The use was given back."]
    coupon.refresh_from_db()
    assert (coupon.state, coupon.uses) == ("ASSIGNED", 0)
    assert said(confirm(client, page, reason="Again"))[-1] == "The plan changed, review it again."
    assert CouponReversal.objects.count() == 1
    assert "Sent back" in words_of(client.get(page_of(coupon)))
    assert client.get(f"{COUPONS}redemptions/4040/reverse/").status_code == 404


@pytest.mark.parametrize(
    ("role", "allowed"),
    [("viewer", ()), ("marketer", ("assign",)), ("ops", ("unlock", "reverse"))],
)
def test_what_a_role_lacks_is_refused_when_forged(role, allowed):
    client, _ = logged_in(role)
    free, mine = made(book(), 1)[0], held()
    use = redeeming.redeem(held().code, user_id=Coupon.objects.latest("pk").assigned_to_id)
    holding.lock(mine.code, user_id=mine.assigned_to_id)
    pages = {
        "assign": move(free, "assign"),
        "lock": move(mine, "lock"),
        "unlock": move(mine, "unlock"),
        "redeem": move(mine, "redeem"),
        "reverse": f"{COUPONS}redemptions/{use.redemption.pk}/reverse/",
    }
    form = {"plan": "x", "reason": "x", "user": UserFactory().pk, "seconds": "5"}
    for name, address in pages.items():
        expected = 302 if name in allowed else 403
        assert client.post(address, form).status_code == expected, name
    assert client.post(f"{COUPONS}add/", {"code": "X"}).status_code == 403
    assert client.post(page_of(free), {"code": "X"}).status_code == 403
    free.refresh_from_db()
    mine.refresh_from_db()
    assert (free.state, mine.state) == ("UNASSIGNED", "LOCKED")
    assert not CouponReversal.objects.exists()


def test_addresses_that_name_nothing(admin):
    for path in ("4040/change/", f"{2**70}/change/", "x/change/", "4040/assign/", "1/explode/",
                 f"{10**17}/unlock/"):  # fmt: skip
        assert admin.get(f"{COUPONS}{path}").status_code in (302, 404), path


def test_no_filter_spells_out_a_masked_code():
    """A filter follows no relation: of rows that are found or not, codes could be guessed."""
    coupon = held()
    viewer, _ = logged_in("viewer")
    for right in (coupon.code[:3], "??"):
        asked = {"book__coupons__id": coupon.pk, "book__coupons__code__startswith": right}
        answer = viewer.get(COUPONS, asked)
        assert answer.status_code == 400
    assert viewer.get(COUPONS, {"book": coupon.book_id}).status_code == 200
