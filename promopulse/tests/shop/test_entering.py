"""A code somebody was told: shown, used, and refused as the API refuses it."""

import pytest

from accounts.tests.factories import UserFactory
from promopulse.lib import limits
from promopulse.tests.shop.browsing import logged_in, told
from promotions.coupons import guessing
from promotions.coupons.models import CouponRedemption
from promotions.coupons.services import books
from promotions.coupons.tests.factories import BookFactory, held, made, named
from promotions.discounts.models import Redemption
from promotions.discounts.tests.factories import CampaignFactory

pytestmark = pytest.mark.django_db

ENTER = "/my/code"


@pytest.fixture
def client():
    return logged_in(name="Alice")


@pytest.fixture
def public():
    book = BookFactory(
        requires_assignment=False, allow_multi_redemption=True, max_redemptions_per_user=1,
        name="Summer for all",
    )  # fmt: skip
    return named(book, "SUMMER20", uses=10)[0]


def enter(client, code, **form):
    return client.post(ENTER, {"code": code, **form})


def test_the_list_has_a_box_for_it_and_staff_looking_at_a_person_have_none(client):
    assert 'action="/my/code"' in client.get("/my/coupons").content.decode()
    staff = logged_in(role="admin")
    theirs = staff.get(f"/desk/people/{client.person.pk}/coupons").content.decode()
    assert 'action="/my/code"' not in theirs
    assert client.get(ENTER).status_code == 200


def test_a_public_code_is_shown_first_and_used_when_it_is_said(client, public):
    shown = enter(client, " summer-20 ")
    assert shown.status_code == 200
    assert "Summer for all" in shown.content.decode()
    assert not CouponRedemption.objects.exists()
    words, _ = told(client, enter(client, "SUMMER20", use="1"))
    assert (words.status, words.words) == (201, "Redeemed. 9 of 10 uses left.")
    assert CouponRedemption.objects.get().user_id == client.person.pk


def test_used_as_often_as_allowed_it_says_so_and_stays(client, public):
    enter(client, "SUMMER20", use="1")
    again = enter(client, "SUMMER20", use="1")
    assert again.status_code == 422
    assert again.context["told"].code == "max_redemptions_exceeded"
    assert CouponRedemption.objects.count() == 1


def test_its_campaign_asks_for_the_cart_and_gives_its_discount(client, public):
    campaign = CampaignFactory()
    books.update_book(public.book_id, changes={"promotion_id": campaign.pk})
    assert "cart_value" in enter(client, "SUMMER20").context["form"].fields
    assert enter(client, "SUMMER20", use="1").status_code == 422
    words, _ = told(client, enter(client, "SUMMER20", use="1", cart_value="100"))
    assert "You save" in words.words
    assert Redemption.objects.get().user_id == client.person.pk


def test_ones_own_code_can_be_entered_too(client):
    coupon = held(client.person)
    told(client, enter(client, coupon.code, use="1"))
    assert CouponRedemption.objects.get().coupon_id == coupon.pk


@pytest.mark.parametrize("use", [{}, {"use": "1"}])
def test_unknown_codes_free_ones_and_those_of_others_are_refused_alike(client, use):
    codes = ["NEVER-MADE", "??", made(BookFactory())[0].code, held(UserFactory()).code]
    pages = []
    for code in codes:
        answer = enter(client, code, **use)
        assert answer.status_code == 404
        pages.append(answer.context["form"].errors["code"])
    assert all(page == pages[0] for page in pages)
    assert not CouponRedemption.objects.exists()


def test_refused_looks_take_as_many_queries(client, django_assert_num_queries):
    enter(client, "NEVER-MADE")
    code = held(UserFactory()).code
    with django_assert_num_queries(3) as unknown:
        enter(client, "NEVER-MADE")
    with django_assert_num_queries(len(unknown.captured_queries)):
        enter(client, code)


def test_guessing_is_limited_together_with_the_api(client, monkeypatch, public):
    counted = []
    monkeypatch.setattr(limits, "hit", lambda rate, *who: counted.append((rate, *who)))
    enter(client, "NEVER-MADE")
    assert counted == [
        (guessing.RATE, f"user:{client.person.pk}"), (guessing.RATE, "address:127.0.0.1"),
    ]  # fmt: skip
    enter(client, "SUMMER20")
    assert len(counted) == 2
