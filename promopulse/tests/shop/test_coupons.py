"""My coupons: what is in which tab, what a card says, and what may be done with it."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

from accounts.tests.factories import UserFactory
from promopulse.lib.time import db_now
from promopulse.shop import coupons as pages
from promopulse.shop.told import Told, redirect
from promopulse.tests.shop.browsing import codes, logged_in, told
from promotions.coupons.models import CouponRedemption
from promotions.coupons.services import books, holding, redeeming
from promotions.coupons.tests.factories import BookFactory, held, made
from promotions.discounts.models import Redemption
from promotions.discounts.tests.factories import CampaignFactory
from promotions.services import pause
from promotions.tests.factories import ActivePromotionFactory

pytestmark = pytest.mark.django_db

LIST = "/my/coupons"


@pytest.fixture
def client():
    return logged_in(name="Alice")


@pytest.fixture
def coupon(client):
    return held(client.person)


def act(client, coupon, action, **form):
    return client.post(f"{LIST}/{coupon.pk}/act", {"action": action, **form})


def with_token(client, coupon, action, **form):
    return client.post(f"{LIST}/{coupon.pk}/act", {"with_token": action, **form})


def in_tab(client, tab):
    return codes(client.get(LIST, {"tab": tab}))


def test_each_coupon_is_in_the_tab_of_what_it_is_now(client, ended):
    person = client.person
    fresh, locked, redeemed = (held(person) for _ in range(3))
    holding.lock(locked.code, user_id=person.pk)
    redeeming.redeem(redeemed.code, user_id=person.pk)
    over = held(person)
    ended(over.book)
    spent = held(person)
    redeeming.redeem(spent.code, user_id=person.pk)
    ended(spent.book)
    held()  # somebody else's

    tabs = {tab["words"]: tab["count"] for tab in client.get(LIST).context["tabs"]}
    assert tabs == {"Available": 1, "Locked": 1, "Redeemed": 2, "Expired": 1}
    assert in_tab(client, "available") == {fresh.code}
    assert in_tab(client, "locked") == {locked.code}
    assert in_tab(client, "redeemed") == {redeemed.code, spent.code}
    assert in_tab(client, "expired") == {over.code}


def test_a_lock_that_lapsed_is_available_with_nobody_tidying(client, coupon, clock):
    holding.lock(coupon.code, user_id=client.person.pk, seconds=60)
    assert in_tab(client, "locked") == {coupon.code}
    clock(timedelta(seconds=61))
    page = client.get(LIST)
    assert codes(page) == {coupon.code}
    assert [tab["count"] for tab in page.context["tabs"]] == [1, 0, 0, 0]


def test_an_empty_tab_says_why_and_an_unknown_one_is_the_first(client):
    assert "No coupons yet" in client.get(LIST).content.decode()
    assert client.get(LIST, {"tab": "nonsense"}).context["tab"] == "available"
    held(client.person)
    assert "Nothing is locked" in client.get(LIST, {"tab": "locked"}).content.decode()


def test_a_list_is_paged_by_keys(client, django_assert_num_queries):
    book = BookFactory()
    mine = [held(client.person, book) for _ in range(pages.A_PAGE + 3)]
    newest_first = [coupon.code for coupon in reversed(mine)]
    with django_assert_num_queries(3):  # session, user, the page; counts are one more, prepared
        first = client.get(LIST)
    second = client.get(LIST + first.context["page"].older)
    assert [one["card"].code for one in first.context["tickets"]] == newest_first[: pages.A_PAGE]
    assert [one["card"].code for one in second.context["tickets"]] == newest_first[pages.A_PAGE :]
    assert second.context["page"].older == ""
    back = client.get(LIST + second.context["page"].newer)
    assert codes(back) == codes(first)
    assert back.context["page"].newer == ""


@pytest.mark.parametrize("cursor", ["x", "-1", "9" * 30, "٣"])
def test_a_cursor_that_is_none_begins_at_the_beginning(client, coupon, cursor):
    assert codes(client.get(LIST, {"before": cursor, "after": cursor})) == {coupon.code}


def test_a_full_page_weighs_little(client):
    campaign = CampaignFactory(name="N" * 200, discount={"min_cart_value": 100})
    book = BookFactory(name="B" * 120, description="D" * 2_000, promotion=campaign)
    for _ in range(pages.A_PAGE + 1):
        held(client.person, book, pattern="LONG-CODES-OF-A-CAMPAIGN-{}")
    client.person.role = "marketer"
    client.person.save()
    assets = sum(
        Path(finders.find(f"promopulse/{name}")).stat().st_size
        for name in ("page.css", "page.js", "icon.svg")
    )
    for query in ({}, {"showcase": "1"}):
        page = client.get(LIST, query)
        assert len(page.context["tickets"]) == pages.A_PAGE
        assert len(page.content) + assets < 60 * 1024


# What a card says


def card(client):
    (ticket,) = client.get(LIST).context["tickets"]
    return ticket["card"]


def test_a_card_tells_the_offer_and_the_end_that_comes_first(client):
    campaign = CampaignFactory(
        timezone="Europe/Berlin",
        discount={"discount_percentage": 20, "min_cart_value": 100, "max_discount_amount": 50},
    )
    book = BookFactory(promotion=campaign, expires_at=campaign.end_at + timedelta(days=1))
    held(client.person, book)
    shown = card(client)
    assert shown.offer == "20 % off the cart, at most $50, carts from $100, 1 a customer a day"
    assert shown.min_cart == "$100"
    assert shown.until.at == campaign.end_at
    assert shown.until.words.endswith(("CET", "CEST"))
    assert shown.until.away == "in 14 days"
    page = client.get(LIST).content.decode()
    for words in (shown.offer, shown.min_cart, shown.until.words, shown.until.away, shown.code):
        assert words in page


def test_a_card_without_an_end_or_a_promotion(client):
    coupon = held(client.person, BookFactory(name="Plain", description="Terms & all"))
    shown = card(client)
    assert (shown.headline, shown.until, shown.min_cart, shown.note) == ("Plain", None, "", "")
    page = client.get(LIST).content.decode()
    assert "It does not end" in page
    assert "Terms &amp; all" in page
    assert coupon.code in page


def test_a_card_says_why_it_cannot_be_used_now(client):
    person = client.person
    campaign = CampaignFactory(budget=10)
    coupon = held(person, BookFactory(promotion=campaign))
    assert card(client).note == ""
    pause(campaign.pk, reason="stock")
    assert card(client).note == "Its campaign is paused at the moment."
    books.update_book(coupon.book_id, changes={"is_active": False})
    assert card(client).note == "Switched off at the moment."


def test_a_card_says_when_the_campaign_begins(client):
    soon = db_now() + timedelta(days=2, hours=1)
    campaign = ActivePromotionFactory(start_at=soon, activated_at=db_now())
    held(client.person, BookFactory(promotion=campaign))
    assert card(client).note.startswith("Begins ")
    assert "(in 2 days)" in card(client).note


def test_a_card_counts_the_uses_of_its_holder(client):
    book = BookFactory(allow_multi_redemption=True, max_redemptions_per_user=2)
    coupon = held(client.person, book, max_redemptions=5)
    assert card(client).uses == "2 for you, 5 of 5 in all"
    for _ in range(2):
        redeeming.redeem(coupon.code, user_id=client.person.pk)
    shown = card(client)
    assert shown.uses == "0 for you, 3 of 5 in all"
    assert shown.note == "You have used this book as often as it allows (2/2)."


# What is done


def test_a_coupon_is_locked_and_let_go_by_the_same_browser_only(client, coupon):
    done, page = told(client, act(client, coupon, "lock"))
    assert (done.status, done.words) == (200, "Locked: nobody else can use it meanwhile.")
    assert page.context["tab"] == "locked"
    cookie = client.cookies[f"lock_{coupon.pk}"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 300)

    elsewhere = logged_in(client.person)
    assert "A checkout holds it" in elsewhere.get(LIST, {"tab": "locked"}).content.decode()
    refused, _page = told(elsewhere, with_token(elsewhere, coupon, "unlock"))
    assert (refused.status, refused.code) == (409, "lock_token_mismatch")

    done, page = told(client, with_token(client, coupon, "unlock"))
    assert done.words == "Unlocked: it can be used again."
    assert codes(page) == {coupon.code}
    assert client.cookies[f"lock_{coupon.pk}"].value == ""
    coupon.refresh_from_db()
    assert coupon.state == "ASSIGNED"


def test_using_a_single_use_code_asks_once(client, coupon):
    page = client.get(f"{LIST}/{coupon.pk}/use")
    assert "It can be used once. After that it is gone." in page.content.decode()
    assert not CouponRedemption.objects.exists()
    done, page = told(client, client.post(f"{LIST}/{coupon.pk}/use"))
    assert (done.status, done.words) == (201, "Redeemed.")
    assert page.context["tab"] == "redeemed"
    assert codes(page) == {coupon.code}
    again, _page = told(client, client.post(f"{LIST}/{coupon.pk}/use"))
    assert (again.status, again.code, again.words) == (409, "coupon_redeemed", "Terminal state")
    assert CouponRedemption.objects.count() == 1


def test_a_locked_coupon_is_used_with_the_token_of_the_browser(client, coupon):
    act(client, coupon, "lock")
    elsewhere = logged_in(client.person)
    refused, _page = told(elsewhere, elsewhere.post(f"{LIST}/{coupon.pk}/use"))
    assert refused.words == "Cannot redeem LOCKED coupon"
    done, _page = told(client, client.post(f"{LIST}/{coupon.pk}/use"))
    assert done.status == 201


def test_a_code_with_many_uses_is_used_at_once(client):
    book = BookFactory(allow_multi_redemption=True)
    coupon = held(client.person, book, max_redemptions=2)
    assert f"{LIST}/{coupon.pk}/use" not in client.get(LIST).content.decode()
    done, page = told(client, act(client, coupon, "redeem"))
    assert done.words == "Redeemed. 1 of 2 uses left."
    assert page.context["tab"] == "available"
    done, page = told(client, act(client, coupon, "redeem"))
    assert (done.words, page.context["tab"]) == ("Redeemed. 0 of 2 uses left.", "redeemed")


def test_a_campaigns_coupon_asks_for_the_cart_and_tells_what_was_saved(client):
    campaign = CampaignFactory(budget=7, discount={"min_cart_value": 50})
    coupon = held(client.person, BookFactory(promotion=campaign))
    use = f"{LIST}/{coupon.pk}/use"
    for value, words in [
        ("", "This field is required."),
        ("abc", "Enter a number."),
        ("NaN", "Enter a number."),
        ("-1", "greater than or equal to 0"),
        ("60.001", "decimals"),
        ("20", "The cart needs 30.00 more to reach 50.00."),
    ]:
        answer = client.post(use, {"cart_value": value})
        assert answer.status_code == 422
        assert words in answer.content.decode(), value
        assert not CouponRedemption.objects.exists()
    done, _page = told(client, client.post(use, {"cart_value": "80.00"}))
    assert done.words == "Redeemed. You save $7 (all the campaign has left)."
    assert Redemption.objects.get().amount == Decimal(7)


def test_cheaper_delivery_asks_for_its_charge(client):
    campaign = CampaignFactory(discount={"discount_type": "delivery", "discount_flat": 5})
    coupon = held(client.person, BookFactory(promotion=campaign))
    use = f"{LIST}/{coupon.pk}/use"
    assert list(client.get(use).context["form"].fields) == ["cart_value", "delivery_charge"]
    done, _page = told(client, client.post(use, {"cart_value": "1", "delivery_charge": "3.50"}))
    assert done.words == "Redeemed. You save $3.50."


def test_the_qr_code_has_a_page_of_its_own(client, coupon):
    page = client.get(f"{LIST}/{coupon.pk}/qr").content.decode()
    assert f'<svg role="img" aria-label="QR code of {coupon.code}"' in page
    assert "<path" in page


# Whose it is


@pytest.mark.parametrize("path", ["use", "qr"])
def test_the_pages_of_anothers_coupon_are_not_there(client, path):
    other = held()
    assert client.get(f"{LIST}/{other.pk}/{path}").status_code == 404
    assert client.get(f"{LIST}/987654321/{path}").status_code == 404


@pytest.mark.parametrize("action", ["redeem", "lock", "unlock", "assign"])
def test_nothing_is_done_with_anothers_coupon(client, action):
    other, free = held(), made(BookFactory())[0]
    for coupon in (other, free):
        assert act(client, coupon, action, showcase="1").status_code == 404
    assert client.post(f"{LIST}/{other.pk}/use").status_code == 404
    other.refresh_from_db()
    assert other.state == "ASSIGNED"
    assert not CouponRedemption.objects.exists()


@pytest.mark.parametrize("role", ["marketer", "ops", "viewer"])
def test_a_forged_form_is_refused_to_roles_that_do_not_use_coupons(role):
    client = logged_in(role=role)
    coupon = held(client.person)
    page = client.get(LIST).content.decode()
    assert coupon.code in page
    assert "Use…" not in page
    for action in ("redeem", "lock", "unlock"):
        assert act(client, coupon, action).status_code == 403
    assert client.post(f"{LIST}/{coupon.pk}/use").status_code == 403
    coupon.refresh_from_db()
    assert coupon.state == "ASSIGNED"


def test_a_customer_assigns_nothing(client, coupon):
    assert act(client, coupon, "assign").status_code == 403
    assert act(client, coupon, "nonsense").status_code == 404


# What is told


def test_words_are_told_to_the_person_they_are_for_only(client, coupon):
    answer = act(client, coupon, "lock")
    assert "Locked: nobody" in client.get(answer["Location"]).content.decode()
    other = logged_in()
    assert "Locked: nobody" not in other.get(answer["Location"]).content.decode()
    forged = f"{LIST}?told=W1siZm9yZ2VkIl0"
    assert client.get(forged).context["told"] is None


def test_words_about_a_coupon_of_another_page_stand_above(client, coupon, rf):
    request = rf.get("/")
    request.user = client.person
    answer = redirect(request, LIST, Told(409, "Something else", "coupon_locked", "coupon:1"))
    page = client.get(answer["Location"])
    assert page.context["told"].words == "Something else"
    assert "Something else" in page.content.decode()


def test_a_stranger_has_no_coupons(client):
    held(UserFactory())
    assert client.get(LIST).context["total"] == 0
