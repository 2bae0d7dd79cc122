"""What a draft gives: set, replaced, taken away; fixed once it is active."""

import threading
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from promopulse.lib import money
from promopulse.lib.errors import Invalid, VersionConflict
from promotions import services as promotions
from promotions.discounts import services
from promotions.discounts.errors import DiscountNotFound
from promotions.discounts.models import Discount
from promotions.discounts.tests.factories import CampaignFactory, DraftCampaignFactory
from promotions.errors import FieldLocked, PromotionNotFound
from promotions.models import Promotion
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
)
from promotions.tests.trail import entries, stored

pytestmark = pytest.mark.django_db

TENTH = {"discount_type": "cart", "discount_percentage": Decimal(10)}


def given(promotion):
    return Discount.objects.filter(promotion=promotion).values().first()


def test_what_is_left_out_has_its_default():
    draft = PromotionFactory(currency="EUR")
    discount = services.set_discount(draft.pk, values=TENTH, reason="June")
    assert discount.promotion_id == draft.pk
    row = given(draft)
    assert (row["discount_type"], row["discount_percentage"]) == ("cart", 10)
    assert (row["discount_flat"], row["max_discount_amount"]) == (None, None)
    assert (row["min_cart_value"], row["max_usage_per_customer_per_day"]) == (0, 1)
    (entry,) = entries(draft)
    assert (entry.action, entry.reason, entry.before) == ("promotion.set_discount", "June", {})
    assert entry.after == {
        "discount_type": "cart",
        "discount_percentage": "10",
        "discount_flat": None,
        "min_cart_value": "0.00",
        "max_discount_amount": None,
        "max_usage_per_customer_per_day": 1,
    }
    assert stored(draft)["version"] == draft.version + 1


def test_another_one_replaces_it_whole():
    draft = DraftCampaignFactory(discount={"min_cart_value": 50, "max_discount_amount": 5})
    wanted = {"discount_type": "delivery", "discount_flat": Decimal("4.90")}
    services.set_discount(draft.pk, values=wanted)
    row = given(draft)
    assert (row["discount_type"], row["discount_flat"]) == ("delivery", Decimal("4.90"))
    assert (row["discount_percentage"], row["min_cart_value"]) == (None, 0)
    assert row["max_discount_amount"] is None
    (entry,) = entries(draft)
    assert entry.before["min_cart_value"] == "50.00"
    assert entry.after["discount_flat"] == "4.90"
    assert "max_usage_per_customer_per_day" not in entry.after


@pytest.mark.parametrize("factory", [DraftCampaignFactory, CampaignFactory])
def test_its_own_values_are_no_edit(factory):
    promotion = factory(discount={"min_cart_value": 5})
    row = stored(promotion)
    services.set_discount(promotion.pk, values=TENTH | {"min_cart_value": Decimal("5.00")})
    assert stored(promotion) == row
    assert entries(promotion) == []


def test_an_active_one_is_locked():
    campaign = CampaignFactory(discount={"min_cart_value": 5})
    before = given(campaign)
    with pytest.raises(FieldLocked) as refused:
        services.set_discount(campaign.pk, values=TENTH | {"max_discount_amount": Decimal(1)})
    assert refused.value.params == {
        "fields": ["max_discount_amount", "min_cart_value"],
        "status": "active",
    }
    with pytest.raises(FieldLocked) as refused:
        services.remove_discount(campaign.pk)
    assert refused.value.params == {"fields": ["discount"], "status": "active"}
    assert given(campaign) == before
    assert entries(campaign) == []


@pytest.mark.parametrize("factory", [ActivePromotionFactory, EndedPromotionFactory])
def test_none_comes_after_the_draft(factory):
    promotion = factory()
    with pytest.raises(FieldLocked) as refused:
        services.set_discount(promotion.pk, values=TENTH)
    assert refused.value.params["fields"] == ["discount_percentage", "discount_type"]
    assert not Discount.objects.exists()


def test_it_is_taken_away():
    draft = DraftCampaignFactory()
    services.remove_discount(draft.pk, reason="No sale")
    assert not Discount.objects.exists()
    (entry,) = entries(draft)
    assert (entry.action, entry.after) == ("promotion.remove_discount", {})
    assert entry.before["discount_percentage"] == "10.00"
    with pytest.raises(DiscountNotFound):
        services.remove_discount(draft.pk)


def test_of_no_promotion():
    with pytest.raises(PromotionNotFound):
        services.set_discount(1, values=TENTH)
    with pytest.raises(PromotionNotFound):
        services.remove_discount(1)


def test_a_version_that_was_seen_is_the_one_that_changes():
    draft = DraftCampaignFactory()
    promotions.update_promotion(draft.pk, changes={"name": "New"})
    for change in (
        lambda: services.set_discount(draft.pk, values=TENTH, expected_version=draft.version),
        lambda: services.remove_discount(draft.pk, expected_version=draft.version),
    ):
        with pytest.raises(VersionConflict):
            change()


WRONG = [
    ({"discount_type": "item"}, "discount_type", "invalid_choice"),
    ({"discount_type": None}, "discount_type", "invalid_choice"),
    ({"discount_percentage": None}, "discount_percentage", "exactly_one"),
    ({"discount_flat": Decimal(5)}, "discount_flat", "exactly_one"),
    ({"discount_percentage": Decimal(0)}, "discount_percentage", "out_of_range"),
    ({"discount_percentage": Decimal("100.01")}, "discount_percentage", "out_of_range"),
    ({"discount_percentage": Decimal("NaN")}, "discount_percentage", "out_of_range"),
    ({"discount_percentage": 10.5}, "discount_percentage", "out_of_range"),
    ({"discount_percentage": Decimal("0.125")}, "discount_percentage", "max_decimal_places"),
    ({"min_cart_value": None}, "min_cart_value", "invalid"),
    ({"min_cart_value": Decimal(-1)}, "min_cart_value", "min_value"),
    ({"min_cart_value": Decimal("0.5")}, "min_cart_value", "max_decimal_places"),
    ({"max_discount_amount": Decimal(0)}, "max_discount_amount", "min_value"),
    ({"max_discount_amount": Decimal("1.5")}, "max_discount_amount", "max_decimal_places"),
    ({"max_discount_amount": Decimal(10**13)}, "max_discount_amount", "max_value"),
    ({"max_usage_per_customer_per_day": 0}, "max_usage_per_customer_per_day", "out_of_range"),
    ({"max_usage_per_customer_per_day": True}, "max_usage_per_customer_per_day", "out_of_range"),
    ({"max_usage_per_customer_per_day": 2**31}, "max_usage_per_customer_per_day", "out_of_range"),
]


@pytest.mark.parametrize(("values", "field", "code"), WRONG)
def test_wrong_values_are_named(values, field, code):
    draft = PromotionFactory(currency="JPY")
    with pytest.raises(Invalid) as refused:
        services.set_discount(draft.pk, values=TENTH | values)
    found = {(error["pointer"], error["code"]) for error in refused.value.errors}
    assert (f"/{field}", code) in found
    assert not Discount.objects.exists()
    assert entries(draft) == []


FLAT = {"discount_type": "cart", "discount_flat": Decimal("1.50")}
AMOUNTS = [
    FLAT,
    TENTH | {"min_cart_value": Decimal("1.50")},
    TENTH | {"max_discount_amount": Decimal("1.50")},
]


@pytest.mark.parametrize("values", AMOUNTS)
def test_another_currency_must_hold_its_amounts(values):
    draft = PromotionFactory(currency="USD")
    services.set_discount(draft.pk, values=values)
    row = stored(draft)
    with pytest.raises(Invalid) as refused:
        promotions.update_promotion(draft.pk, changes={"currency": "JPY"})
    assert refused.value.errors == [
        {
            "pointer": "/currency",
            "code": "max_decimal_places",
            "detail": "An amount of it has more decimals than this currency.",
        }
    ]
    assert stored(draft) == row
    promotions.update_promotion(draft.pk, changes={"currency": "KWD"})


@pytest.mark.parametrize("values", AMOUNTS)
def test_the_database_refuses_amounts_its_currency_does_not_have(values):
    draft = PromotionFactory(currency="JPY")
    with pytest.raises(IntegrityError, match="more decimals"), transaction.atomic():
        Discount.objects.create(promotion=draft, **values)
    Promotion.objects.filter(pk=draft.pk).update(currency="USD")
    Discount.objects.create(promotion=draft, **values)
    with pytest.raises(IntegrityError, match="more decimals"), transaction.atomic():
        Promotion.objects.filter(pk=draft.pk).update(currency="JPY")


@pytest.mark.django_db(transaction=True)
def test_an_amount_and_another_currency_at_once():
    """Whoever comes second sees the other."""
    draft = PromotionFactory(currency="USD")
    refused = []

    def give():
        try:
            Discount.objects.create(promotion_id=draft.pk, **FLAT)
        except IntegrityError as error:
            refused.append(error)
        finally:
            connection.close()

    other = threading.Thread(target=give)
    with transaction.atomic():
        Promotion.objects.filter(pk=draft.pk).update(currency="JPY")
        other.start()
        other.join(0.3)
        assert other.is_alive(), "waits for the promotion"
    other.join()
    assert len(refused) == 1
    assert not Discount.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_discount_and_the_activation_at_once():
    """Whoever comes second finds it active."""
    draft = DraftCampaignFactory()
    refused = []

    def change():
        try:
            services.set_discount(draft.pk, values=FLAT)
        except FieldLocked as error:
            refused.append(error)
        finally:
            connection.close()

    other = threading.Thread(target=change)
    with transaction.atomic():
        promotions.change_status(draft.pk, status="active")
        other.start()
        other.join(0.3)
        assert other.is_alive(), "waits for the promotion"
    other.join()
    assert len(refused) == 1
    assert given(draft)["discount_flat"] is None


def test_a_draft_goes_without_a_look_at_all_that_was_ever_granted():
    draft = DraftCampaignFactory(budget=10)
    with CaptureQueriesContext(connection) as queries:
        promotions.delete_promotion(draft.pk)
    asked = " ".join(query["sql"] for query in queries)
    assert "discounts_discount" in asked
    for table in ("reservation", "redemption", "dailyuse"):
        assert f"discounts_{table}" not in asked


def test_decimals_in_sql_are_those_of_money():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT code, promotions_minor_digits(code) FROM unnest(%s::text[]) code",
            [sorted(money.CURRENCIES)],
        )
        for code, digits in cursor.fetchall():
            assert money.minor_unit(code) == Decimal(1).scaleb(-digits), code


def test_a_copy_gives_the_same():
    campaign = CampaignFactory(budget=100, discount={"min_cart_value": 5})
    copy = services.duplicate(campaign.pk, reason="Again")
    assert (copy.status, copy.budget.total, copy.budget.used) == ("draft", 100, 0)
    same, first = given(copy), given(campaign)
    for name in ("id", "promotion_id"):
        assert same.pop(name) != first.pop(name)
    assert same == first
    assert [entry.action for entry in entries(copy)] == [
        "promotion.duplicate",
        "promotion.set_discount",
    ]
    plain = services.duplicate(PromotionFactory().pk)
    assert given(plain) is None
