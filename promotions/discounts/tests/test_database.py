"""What the database itself refuses of discounts, also from raw SQL."""

from decimal import Decimal

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from accounts.tests.factories import UserFactory
from promotions.discounts import services
from promotions.discounts.models import (
    DailyUse,
    Discount,
    GrantOutbox,
    Redemption,
    Reservation,
    Reversal,
)
from promotions.discounts.tests.factories import CampaignFactory, DraftCampaignFactory
from promotions.discounts.tests.ledgers import (
    FLAT,
    MANY,
    balance,
    broken,
    clock_shows,
    grant,
    reserve,
    used,
)
from promotions.models import Budget, BudgetEntry
from promotions.tests.raw import refused_by, run

pytestmark = pytest.mark.django_db

GRANT = """
    INSERT INTO discounts_redemption
        (promotion_id, user_id, currency, cart_value, delivery_charge, original_amount, wanted,
        amount, limited_by, local_day, reversed, granted_at)
    VALUES (%s, %s, 'USD', %s, 0, 900, 900, 900, 'cap', '2001-01-01', -900, '2001-01-01')
"""


def everything():
    """All rows of discounts and their money, as text."""
    tables = "redemption reservation reversal dailyuse grantoutbox".split()
    tables = [f"discounts_{table}" for table in tables]
    with connection.cursor() as cursor:
        for table in [*tables, "promotions_budget", "promotions_budgetentry"]:
            cursor.execute(
                f"SELECT coalesce(string_agg(t::text, ' ' ORDER BY t::text), '') FROM {table} t"
            )
            yield table, cursor.fetchone()[0]


@pytest.fixture
def granted():
    """A redemption, a captured and an open reservation, a reversal."""
    campaign = CampaignFactory(budget=100, discount=MANY)
    grant(campaign, order_id="o-1")
    services.capture(reserve(campaign).pk)
    reserve(campaign, ttl_seconds=60)
    services.reverse(grant(campaign).pk)
    return campaign


def test_a_raw_grant_is_priced_and_paid_like_any_other():
    campaign = CampaignFactory(budget=100)
    run(GRANT, campaign.pk, UserFactory().pk, 50)
    row = Redemption.objects.get()
    assert (row.original_amount, row.wanted, row.amount, row.limited_by) == (50, 5, 5, "")
    assert (row.reversed, row.granted_at.date()) == (0, timezone.now().date())
    assert balance(campaign) == (0, 5)
    assert GrantOutbox.objects.get().pk == row.pk
    assert not broken()


def test_raw_grants_never_pass_the_budget():
    campaign = CampaignFactory(budget=12)
    for cart in (100, 100):
        run(GRANT, campaign.pk, UserFactory().pk, cart)
    assert refused_by(GRANT, campaign.pk, UserFactory().pk, 100) == "budget_exhausted"
    assert balance(campaign) == (0, 12)
    assert not broken()


@pytest.mark.parametrize("cart", ["NaN", "-1", "10.001"])
def test_a_raw_cart_is_an_amount_of_its_currency(cart):
    campaign = CampaignFactory()
    assert refused_by(GRANT, campaign.pk, UserFactory().pk, cart) == "discounts_cart_exact"


def test_what_is_asked_in_raw_sql_of_nothing_is_not_found():
    assert refused_by(GRANT, 0, UserFactory().pk, 10) == "not_found"
    assert refused_by(GRANT, CampaignFactory().pk, 0, 10) == "not_found"
    capture = "INSERT INTO discounts_redemption (reservation_id) VALUES (0)"
    assert refused_by(capture) == "not_found"
    assert refused_by("INSERT INTO discounts_reversal (redemption_id) VALUES (0)") == "not_found"


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("discounts_redemption", "promotion_id, user_id, currency, cart_value, delivery_charge"),
        (
            "discounts_reservation",
            "promotion_id, user_id, currency, cart_value, delivery_charge, ttl_seconds",
        ),
        ("discounts_reversal", "redemption_id, amount, reason"),
    ],
)
def test_no_row_is_skipped_once_it_has_moved_money(granted, table, columns):
    """A key that is taken would let ON CONFLICT DO NOTHING drop the row, not what it did."""
    before = balance(granted), used(granted)
    values = columns if table != "discounts_reversal" else "redemption_id, 0.01, reason"
    if table == "discounts_reversal":
        grant(granted)
        values = "(SELECT max(id) FROM discounts_redemption), 0.01, reason"
    met = run(
        f"INSERT INTO {table} (id, {columns}) SELECT id, {values} FROM {table} "
        "ORDER BY id DESC LIMIT 1 ON CONFLICT DO NOTHING"
    )
    assert met == 1
    assert (balance(granted), used(granted)) != before
    assert not broken()


AGAIN = """
    INSERT INTO discounts_redemption
        (promotion_id, user_id, order_id, currency, cart_value, delivery_charge)
    SELECT promotion_id, user_id, {order}, currency, cart_value, delivery_charge
    FROM discounts_redemption WHERE order_id IS NOT NULL ON CONFLICT DO NOTHING
"""


@pytest.mark.parametrize(
    ("order", "constraint"),
    [("order_id", "order_already_redeemed"), ("''", "discounts_redemption_order_named")],
)
def test_an_order_that_is_taken_is_refused_not_skipped(granted, order, constraint):
    before = dict(everything())
    assert refused_by(AGAIN.format(order=order)) == constraint
    assert dict(everything()) == before


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE discounts_redemption SET amount = 1", "discounts_redemption_fixed"),
        ("UPDATE discounts_redemption SET reversed = 0", "discounts_redemption_fixed"),
        ("UPDATE discounts_redemption SET user_id = 1", "discounts_redemption_fixed"),
        ("UPDATE discounts_reservation SET amount = 2, state = 'released' WHERE state = 'open'",
            "discounts_reservation_fixed"),
        ("UPDATE discounts_reservation SET state = 'captured' WHERE state = 'open'",
            "discounts_reservation_moves"),
        ("UPDATE discounts_reservation SET state = 'expired' WHERE state = 'open'",
            "discounts_reservation_moves"),
        ("UPDATE discounts_reservation SET ttl_seconds = 9 WHERE state = 'open'",
            "discounts_reservation_moves"),
        ("UPDATE discounts_reservation SET state = 'lost' WHERE state = 'open'",
            "discounts_reservation_state_known"),
        ("UPDATE discounts_reservation SET state = 'released' WHERE state = 'captured'",
            "reservation_closed"),
        ("UPDATE discounts_dailyuse SET used = 0", "discounts_dailyuse_unledgered"),
        ("UPDATE discounts_dailyuse SET most = most + 1", "discounts_dailyuse_unledgered"),
        ("DELETE FROM discounts_dailyuse", "discounts_dailyuse_unledgered"),
        ("INSERT INTO discounts_dailyuse VALUES ('2026-01-01', 0, 5, 1, 1)",
            "discounts_dailyuse_unledgered"),
        ("UPDATE promotions_budget SET spent = 0", "promotions_budget_unledgered"),
        ("UPDATE promotions_budget SET total = 500", "promotions_budget_unledgered"),
        ("DELETE FROM promotions_budget", "promotions_budget_locked"),
        ("UPDATE promotions_budgetentry SET amount = 1", "promotions_budgetentry_append_only"),
        ("DELETE FROM promotions_budgetentry", "promotions_budgetentry_append_only"),
        ("INSERT INTO promotions_budgetentry (budget_id, kind, amount) "
            "SELECT id, 'reverse', 1 FROM promotions_budget", "promotions_budgetentry_unowned"),
        ("UPDATE discounts_discount SET discount_flat = 9", "discounts_discount_locked"),
        ("UPDATE discounts_discount SET promotion_id = promotion_id + 1",
            "discounts_discount_locked"),
        ("DELETE FROM discounts_discount", "discounts_discount_locked"),
        ("INSERT INTO discounts_reversal (redemption_id, amount, reason) "
            "SELECT id, 0.5, '' FROM discounts_redemption WHERE reversed = amount",
            "already_reversed"),
        ("INSERT INTO discounts_reversal (redemption_id, amount, reason) "
            "SELECT id, amount + 1, '' FROM discounts_redemption WHERE reversed = 0",
            "discounts_redemption_reversed"),
        ("INSERT INTO discounts_reversal (redemption_id, amount, reason) "
            "SELECT id, -1, '' FROM discounts_redemption WHERE reversed = 0",
            "discounts_redemption_reversed"),
        ("INSERT INTO discounts_reversal (redemption_id, amount, reason) "
            "SELECT id, 'NaN', '' FROM discounts_redemption WHERE reversed = 0",
            "discounts_redemption_reversed"),
        ("INSERT INTO discounts_reversal (redemption_id, amount, reason) "
            "SELECT id, 0.001, '' FROM discounts_redemption WHERE reversed = 0",
            "discounts_reversal_exact"),
    ],
)  # fmt: skip
def test_what_happened_is_fixed(granted, statement, constraint):
    before = dict(everything())
    assert refused_by(statement) == constraint
    assert dict(everything()) == before
    assert not broken()


@pytest.mark.parametrize("table", ["redemption", "reservation", "reversal"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_nothing_of_it_goes(granted, table, statement):
    before = dict(everything())
    run("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(DatabaseError):
        run(statement.format(f"discounts_{table}"))
    assert dict(everything()) == before


@pytest.mark.parametrize("table", ["discounts_discount", "discounts_dailyuse"])
def test_terms_and_days_are_not_truncated_away(granted, table):
    run("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(DatabaseError, match="is append-only"):
        run(f"TRUNCATE {table} CASCADE")
    assert Discount.objects.exists()
    assert DailyUse.objects.exists()


def test_a_reversal_is_append_only(granted):
    for statement in ("UPDATE discounts_reversal SET amount = 1", "DELETE FROM discounts_reversal"):
        with pytest.raises(DatabaseError):
            run(statement)
    assert Reversal.objects.get().amount == 1


def test_a_draft_gives_nothing():
    campaign = DraftCampaignFactory(budget=10)
    assert refused_by(GRANT, campaign.pk, UserFactory().pk, 100) == "promotion_not_active"
    assert balance(campaign) == (0, 0)
    assert BudgetEntry.objects.count() == 1


def test_an_overdue_reservation_is_released_by_the_clock_that_judges_it():
    campaign = CampaignFactory(budget=1, discount=FLAT)
    held = reserve(campaign, ttl_seconds=60)
    assert services.release_overdue() == 0
    clock_shows(held.expires_at)
    assert services.release_overdue() == 1
    assert Reservation.objects.get().state == "expired"
    assert Budget.objects.get().left == 1
    assert used(campaign) == 0
    assert not broken()


def test_a_user_with_nothing_overdue_does_not_queue_for_the_budget():
    campaign = CampaignFactory(budget=10, discount=FLAT)
    user = UserFactory()
    grant(campaign, user)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        (before,) = cursor.fetchone()
        cursor.execute("SELECT discounts_release_overdue(%s, %s)", [campaign.pk, UserFactory().pk])
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone() == (before,)


def test_the_amount_of_a_reversal_is_what_is_left():
    campaign = CampaignFactory(budget=100, discount=FLAT)
    given = grant(campaign)
    services.reverse(given.pk, amount=Decimal("0.40"))
    run("INSERT INTO discounts_reversal (redemption_id, reason) VALUES (%s, '')", given.pk)
    assert Reversal.objects.order_by("pk").last().amount == Decimal("0.60")
    assert balance(campaign) == (0, 0)
