"""My activity: what I saved, which coupons I used, what I am subscribed to."""

from decimal import Decimal

import pytest

from promopulse.shop import activity
from promopulse.tests.shop.browsing import logged_in
from promotions.coupons.services import redeeming
from promotions.coupons.tests.factories import BookFactory, held
from promotions.discounts import services as discounts
from promotions.discounts.tests.carts import MANY, grant
from promotions.discounts.tests.factories import CampaignFactory
from promotions.services import change_status
from promotions.tests.factories import ActivePromotionFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

PAGE = "/my/activity"


@pytest.fixture
def client():
    return logged_in()


def lines(client, tab):
    return [line for line, _away in client.get(PAGE, {"tab": tab}).context["lines"]]


def test_savings_are_what_was_not_taken_back(client):
    campaign = CampaignFactory(name="Kick-off", discount=MANY)
    kept = grant(campaign, client.person, order_id="o-1")
    back = grant(campaign, client.person)
    discounts.reverse(back.pk, amount=Decimal(4))
    grant(campaign, logged_in().person)  # somebody else's
    newest, oldest = lines(client, "saved")
    assert (oldest.pk, oldest.title, oldest.amount) == (kept.pk, "Kick-off", "$10")
    assert oldest.details == ("$100 became $90", "Order o-1")
    assert newest.amount == "$6"
    assert newest.details[-1] == "$4 of it was taken back"


def test_uses_of_coupons_say_when_one_was_given_back(client):
    coupon = held(client.person, BookFactory(name="Summer"))
    use = redeeming.redeem(coupon.code, user_id=client.person.pk, order_id="o-2").redemption
    redeeming.reverse(use.pk)
    (line,) = lines(client, "coupons")
    assert (line.title, line.details, line.amount) == ("Summer", (coupon.code, "Order o-2"), "")
    assert "Given back" in line.badge


def test_a_subscription_is_left_and_taken_up_again(client):
    subscription = SubscriptionFactory(user=client.person)
    move = f"{PAGE}/subscriptions/{subscription.pk}"
    for verb, words, active in [
        ("leave", "You have left the campaign.", False),
        ("return", "You are subscribed again.", True),
    ]:
        (line,) = lines(client, "subscriptions")
        assert line.move == verb
        answer = client.post(move, {"move": verb})
        assert words in client.get(answer["Location"]).content.decode()
        subscription.refresh_from_db()
        assert subscription.is_active is active


def test_what_a_service_refuses_is_told(client):
    promotion = ActivePromotionFactory()
    subscription = SubscriptionFactory(user=client.person, promotion=promotion)
    move = f"{PAGE}/subscriptions/{subscription.pk}"
    client.post(move, {"move": "leave"})
    change_status(promotion.pk, status="ended")
    for verb, words in [("leave", "inactive already"), ("return", "The promotion was ended")]:
        answer = client.post(move, {"move": verb})
        assert words in client.get(answer["Location"]).content.decode()
    subscription.refresh_from_db()
    assert not subscription.is_active


def test_anothers_subscription_is_not_there(client):
    other = SubscriptionFactory()
    for verb in ("leave", "return"):
        answer = client.post(f"{PAGE}/subscriptions/{other.pk}", {"move": verb})
        assert answer.status_code == 404
    assert client.post(f"{PAGE}/subscriptions/{other.pk}", {"move": "x"}).status_code == 404
    other.refresh_from_db()
    assert other.is_active


@pytest.mark.parametrize("tab", ["saved", "coupons", "subscriptions"])
def test_each_list_takes_one_query_and_says_when_it_is_empty(
    client, tab, django_assert_num_queries
):
    assert client.get(PAGE, {"tab": tab}).content.decode().count('class="empty"') == 1
    campaign = CampaignFactory(discount=MANY)
    book = BookFactory(promotion=campaign)
    for _ in range(3):
        coupon = held(client.person, book)
        cart = redeeming.Cart(Decimal(100))
        redeeming.redeem(coupon.code, user_id=client.person.pk, cart=cart)
        SubscriptionFactory(user=client.person)
    with django_assert_num_queries(4):  # session, user, clock, list
        assert len(lines(client, tab)) == 3


def test_long_lists_have_pages(client):
    campaign = CampaignFactory(discount=MANY)
    for _ in range(activity.A_PAGE + 1):
        grant(campaign, client.person)
    first = client.get(PAGE)
    assert len(first.context["lines"]) == activity.A_PAGE
    second = client.get(PAGE + first.context["page"].older)
    assert len(second.context["lines"]) == 1
    assert second.context["page"].older == ""
