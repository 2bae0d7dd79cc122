"""`import_promotions`: drafts through the services, found again by the file's own id."""

import json

import pytest

from promopulse.tests.commands import bad_rows, run
from promotions.models import Promotion
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
        "discount": {"kind": "flat", "amount": "10.00"},
        "min_cart_value": "30.00",
    },
    {"id": 2, "name": "News", "start_at": "2019-03-01T00:00:00Z", "end_at": "2019-03-08T00:00:00Z"},
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
    assert ten.metadata == {
        "channels": ["web"],
        "discount": {"kind": "flat", "amount": "10.00"},
        "min_cart_value": "30.00",
    }
    assert news.metadata == {}
    done = run("import_promotions", file(), "--source", "shop", "--activate")
    assert counts(done) == {"unchanged": 2, "activated": 2}
    assert set(Promotion.objects.values_list("status", flat=True)) == {Status.ACTIVE}


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
