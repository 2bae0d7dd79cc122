"""The lists of the admin: what they show, how they find, what they cost."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from accounts.tests.factories import UserFactory
from promotions.tests.admin_pages import LIST, logged_in
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
    spend,
)

pytestmark = pytest.mark.django_db

MOST_QUERIES = 12


@pytest.fixture
def client():
    return logged_in("ops")[0]


def queries(client, url):
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def names(client, **query):
    return {row.name for row in client.get(LIST, query).context["cl"].result_list}


def test_badges_say_what_is_now(client):
    now = datetime.now(UTC)
    PromotionFactory()
    ActivePromotionFactory(end_at=now + timedelta(days=12, hours=5, minutes=1))
    ActivePromotionFactory(start_at=now + timedelta(days=3, hours=4, minutes=1))
    ActivePromotionFactory(paused_at=now, pause_reason="Out of <stock>")
    ActivePromotionFactory(budget=0)
    ActivePromotionFactory(start_at=now - timedelta(days=60))
    EndedPromotionFactory()
    page = client.get(LIST).content.decode()
    for words in (
        "Draft</span>",
        "Not visible to customers",
        "Running</span>",
        "Ends in 12 d 5 h",
        "Scheduled</span>",
        "Starts in 3 d 4 h",
        "Paused</span>",
        "Out of &lt;stock&gt;",
        "Budget used up</span>",
        "0.00 of 0.00 USD",
        "Expired</span>",
        "End it to close the books",
        "Ended</span>",
        "Read-only",
    ):
        assert words in page, words


def test_the_window_in_its_zone_and_in_utc(client):
    PromotionFactory(
        start_at=datetime(2026, 5, 31, 22, tzinfo=UTC),
        end_at=datetime(2026, 11, 30, 23, tzinfo=UTC),
        timezone="Europe/Berlin",
    )
    page = strip_tags(client.get(LIST).content.decode())
    assert "1 Jun 2026 00:00 CEST – 1 Dec 2026 00:00 CET" in page  # noqa: RUF001
    assert "31 May 2026 22:00 UTC – 30 Nov 2026 23:00 UTC" in page  # noqa: RUF001


def test_money_spent_of_the_total(client):
    promotion = ActivePromotionFactory(budget=10_000, currency="EUR")
    spend(promotion, 1200)
    PromotionFactory()
    page = client.get(LIST).content.decode()
    assert "1,200.00 of 10,000.00 EUR" in page
    assert 'value="12"' in page
    assert "Unlimited" in page


def test_a_budget_of_which_nothing_is_used_looks_so(client):
    ActivePromotionFactory(budget=10)
    ActivePromotionFactory(budget=0)
    page = client.get(LIST).content.decode()
    assert page.count('value="0" aria-label="Budget used"') == 2


def test_filters(client):
    PromotionFactory(name="draft")
    ActivePromotionFactory(name="running")
    ActivePromotionFactory(name="paused", paused_at=datetime.now(UTC))
    ActivePromotionFactory(name="used up", budget=0)
    EndedPromotionFactory(name="ended", users=[UserFactory()])
    assert names(client, status="active") == {"running", "paused", "used up"}
    assert names(client, effective_status="running") == {"running"}
    assert names(client, effective_status="budget_exhausted") == {"used up"}
    assert names(client, is_targeted__exact="1") == {"ended"}
    assert len(names(client, effective_status="nonsense")) == 5


def test_search_finds_an_id_a_source_id_and_how_a_name_begins(client):
    summer = PromotionFactory(name="Summer Sale", source_id="shop:1")
    PromotionFactory(name="Winter Sale", source_id="Summer")
    assert names(client, q="summer") == {"Summer Sale"}
    assert names(client, q="Summer") == {"Summer Sale", "Winter Sale"}
    assert names(client, q="sale") == set()
    assert names(client, q=str(summer.pk)) == {"Summer Sale"}
    assert names(client, q=" shop:1 ") == {"Summer Sale"}
    assert names(client, q="shop:") == set()
    assert names(client, q=str(2**70)) == set()
    assert names(client, q="%") == set()
    assert len(names(client, q="  ")) == 2


def test_lists_take_few_queries_and_no_more_for_more_rows(client):
    lists = [
        LIST,
        f"{LIST}?q=promo&effective_status=running&status=active",
        "/admin/promotions/budget/",
        "/admin/promotions/budgetentry/",
    ]

    def make(number):
        for _ in range(number):
            ActivePromotionFactory(budget=10, users=[UserFactory()])

    make(2)
    few = [queries(client, url) for url in lists]
    assert max(few) <= MOST_QUERIES
    make(20)
    assert [queries(client, url) for url in lists] == few


def test_the_ledgers_are_read_only_and_found_by_promotion(client):
    admin, _ = logged_in("admin")
    promotion = PromotionFactory(budget="12.50", currency="EUR")
    PromotionFactory(budget=7)
    for model, row in (
        ("budget", promotion.budget),
        ("budgetentry", promotion.budget.entries.get()),
    ):
        url = f"/admin/promotions/{model}/"
        found = client.get(url, {"q": promotion.pk}).context["cl"].result_list
        assert list(found) == [row]
        assert "12.50" in client.get(f"{url}{row.pk}/change/").content.decode()
        assert admin.get(f"{url}add/").status_code == 403
        assert admin.post(f"{url}{row.pk}/change/", {"total": 1}).status_code == 403
        assert admin.post(f"{url}{row.pk}/delete/", {"post": "yes"}).status_code == 403
