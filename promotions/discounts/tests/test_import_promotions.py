"""`import_promotions`: drafts through the services, found again by the file's own id."""

import json
from decimal import Decimal

import pytest

from promopulse.tests.commands import bad_rows, run
from promotions.discounts.models import Discount
from promotions.models import Budget, Promotion
from promotions.states import Status

pytestmark = pytest.mark.django_db
ROWS = [
    {
        "id": 1,
        "name": "Ten off",
        "start_at": "2019-03-01T00:00:00Z",
        "end_at": "2019-04-01T00:00:00+02:00",
        "currency": "EUR",
        "channels": ["web"],
        "discount": {"target": "cart", "kind": "flat", "amount": "10.00"},
        "min_cart_value": "30.00",
        "total_budget": 500,
    },
    {
        "id": 2,
        "name": "News",
        "start_date": "2019-03-01T00:00:00Z",
        "end_date": "2019-03-08T00:00:00Z",
        "discount": None,
        "min_cart_value": "0.00",
    },
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "promotions.json"
    path.write_text(json.dumps(ROWS))

    def changed(number=None, **values):
        rows = [dict(row) for row in ROWS]
        if number is not None:
            rows[number] |= values
        path.write_text(json.dumps(rows))
        return path

    changed()
    return changed


def counts(done):
    return {name: count for name, count in done.data.items() if count and name != "rows"}


def test_promotions_are_drafts_unless_activated(file):
    done = run("import_promotions", file(), "--source", "shop")
    assert (done.code, counts(done)) == (0, {"created": 2})
    ten, news = Promotion.objects.order_by("id")
    assert (ten.source_id, ten.status, ten.currency) == ("shop:1", Status.DRAFT, "EUR")
    assert ten.end_at.isoformat() == "2019-03-31T22:00:00+00:00"
    assert ten.metadata == {"channels": ["web"]}
    assert (ten.discount.discount_flat, ten.discount.min_cart_value) == (10, 30)
    assert ten.budget.total == 500
    assert news.metadata == {"min_cart_value": "0.00"}, "a row that gives no discount"
    assert not Discount.objects.filter(promotion=news).exists()
    assert not Budget.objects.filter(promotion=news).exists()
    done = run("import_promotions", file(), "--source", "shop", "--activate")
    assert counts(done) == {"unchanged": 2, "activated": 2}
    assert set(Promotion.objects.values_list("status", flat=True)) == {Status.ACTIVE}


def test_columns_of_a_campaign_out_of_csv(tmp_path):
    path = tmp_path / "campaigns.csv"
    path.write_text(
        "id,name,start_date,end_date,currency,discount_type,discount_percentage,"
        "max_discount_amount,max_usage_per_customer_per_day,total_budget,city\n"
        "1,Ten,2019-03-01T00:00:00Z,2019-04-01T00:00:00Z,KWD,delivery,12.5,4.125,3,99.5,Kiel\n"
        "2,Two,2019-03-01T00:00:00Z,2019-04-01T00:00:00Z,USD,,,,,,\n"
    )
    done = run("import_promotions", path, "--source", "shop", "--activate")
    assert (done.code, counts(done)) == (0, {"created": 2, "activated": 2})
    ten = Promotion.objects.get(source_id="shop:1")
    row = Discount.objects.filter(promotion=ten).values().get()
    del row["id"], row["promotion_id"]
    assert row == {
        "discount_type": "delivery",
        "discount_percentage": Decimal("12.5"),
        "discount_flat": None,
        "min_cart_value": 0,
        "max_discount_amount": Decimal("4.125"),
        "max_usage_per_customer_per_day": 3,
    }
    assert (ten.budget.total, ten.metadata) == (Decimal("99.5"), {"city": "Kiel"})
    assert Discount.objects.count() == Budget.objects.count() == 1
    assert counts(run("import_promotions", path, "--source", "shop")) == {"unchanged": 2}


@pytest.mark.parametrize(
    ("whole", "kind"),
    [
        ({"target": "delivery", "kind": "percent", "amount": 50}, "discount_percentage"),
        ('{"target": "delivery", "kind": "flat", "amount": "50"}', "discount_flat"),
    ],
)
def test_a_discount_in_one_column(file, whole, kind):
    run("import_promotions", file(0, discount=whole), "--source", "shop")
    discount = Discount.objects.get()
    assert (discount.discount_type, getattr(discount, kind)) == ("delivery", 50)


def test_a_changed_discount_or_budget_is_an_edit(file, tmp_path):
    run("import_promotions", file(), "--source", "shop")
    changed = {"min_cart_value": "40", "total_budget": "600"}
    done = run("import_promotions", file(0, **changed), "--source", "shop", "--activate")
    assert counts(done) == {"updated": 1, "unchanged": 1, "activated": 2}
    report = tmp_path / "bad"
    for values in ({"min_cart_value": "41"}, {"total_budget": "601"}):
        path = file(0, **(changed | values))
        done = run("import_promotions", path, "--source", "shop", "--report", report)
        assert (done.code, counts(done)) == (3, {"unchanged": 1, "failed": 1})
        assert bad_rows(report) == [(1, "field_locked")]
    assert (Discount.objects.get().min_cart_value, Budget.objects.get().total) == (40, 600)


def test_a_row_is_imported_whole_or_not_at_all(file):
    run("import_promotions", file(0, total_budget="0.001"), "--source", "shop")
    assert not Promotion.objects.filter(source_id="shop:1").exists()


def test_again_changes_nothing(file):
    run("import_promotions", file(), "--source", "shop", "--activate")
    before = list(Promotion.objects.order_by("id").values())
    done = run("import_promotions", file(), "--source", "shop", "--activate")
    assert counts(done) == {"unchanged": 2}
    assert list(Promotion.objects.order_by("id").values()) == before


def test_a_changed_row_is_an_edit_and_refused_like_one(file, tmp_path):
    run("import_promotions", file(), "--source", "shop")
    moved = {"end_at": "2019-05-01T00:00:00Z"}
    assert counts(run("import_promotions", file(0, **moved), "--source", "shop")) == {
        "updated": 1,
        "unchanged": 1,
    }
    run("import_promotions", file(0, **moved), "--source", "shop", "--activate")
    done = run("import_promotions", file(0, name="New", **moved), "--source", "shop")
    assert counts(done) == {"updated": 1, "unchanged": 1}
    report = tmp_path / "bad"
    done = run("import_promotions", file(), "--source", "shop", "--report", report)
    assert (done.code, counts(done)) == (3, {"unchanged": 1, "failed": 1})
    assert bad_rows(report) == [(1, "field_locked")]
    assert Promotion.objects.get(source_id="shop:1").name == "New"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"id": None}, "required"),
        ({"name": None}, "required"),
        ({"name": " "}, "blank"),
        ({"start_at": "2019-03-01T00:00:00"}, "naive_time"),
        ({"end_at": "2019-01-01T00:00:00Z"}, "invalid_time_range"),
        ({"currency": "GOLD"}, "unknown_currency"),
        ({"is_targeted": "perhaps"}, "invalid"),
        ({"notes": "x" * 5_000}, "max_length"),
        ({"description": 3}, "invalid"),
        ({"discount": 10}, "invalid"),
        ({"discount": {"kind": "flat", "amount": "1"}}, "invalid"),
        ({"discount": {"target": "cart", "kind": "half", "amount": "1"}}, "invalid_choice"),
        ({"discount": {"target": "moon", "kind": "flat", "amount": "1"}}, "invalid_choice"),
        ({"discount": {"target": "cart", "kind": "flat", "amount": "1.001"}}, "max_decimal_places"),
        ({"discount_percentage": "10"}, "twice"),
        ({"discount": None, "discount_percentage": "10"}, "invalid_choice"),
        ({"min_cart_value": "much"}, "invalid"),
        ({"max_usage_per_customer_per_day": "two"}, "invalid"),
        ({"total_budget": "-1"}, "min_value"),
        ({"total_budget": True}, "invalid"),
    ],
)
def test_bad_rows(file, tmp_path, values, code):
    report = tmp_path / "bad"
    done = run("import_promotions", file(0, **values), "--source", "shop", "--report", report)
    assert (done.code, counts(done)) == (3, {"created": 1, "failed": 1})
    assert [found for _, found in bad_rows(report)] == [code]


def test_rows_that_could_not_be_found_again_are_refused(file):
    done = run("import_promotions", file())
    assert (done.code, counts(done)) == (1, {"failed": 2})
    done = run("import_promotions", file(), "--map", "id=source_id")
    assert counts(done) == {"created": 2}
    assert Promotion.objects.filter(source_id="1").exists()


def test_a_dry_run_keeps_nothing(file):
    done = run("import_promotions", file(), "--source", "shop", "--activate", "--dry-run")
    assert counts(done) == {"created": 2, "activated": 2}
    assert not Promotion.objects.exists()
