"""The front page: what it counts, where it leads, what it costs, what it says to whom."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from accounts.models import Job
from accounts.tests.factories import UserFactory
from engagement import pulse
from engagement.models import EventStat, IngestBatch
from promopulse.console import dashboard
from promopulse.lib.admin.charts import Chart, Series, draw
from promopulse.lib.time import db_now
from promotions.tests.admin_pages import logged_in
from promotions.tests.factories import ActivePromotionFactory, PromotionFactory, spend

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def tiles(client):
    return {tile.words: tile for tile in client.get("/admin/").context["tiles"]}


def counted(promotion, at, events=1, amount=0):
    hour = at.replace(minute=0, second=0, microsecond=0)
    EventStat.objects.create(
        promotion_id=promotion.pk, type="REDEEM", hour=hour, events=events, new_users=1,
        amount=amount,
    )  # fmt: skip


def batch(received_at, **given):
    done = {"processed_at": received_at + timedelta(seconds=2), "body": None}
    columns = {"accepted": 1, "processed": 1, **done, **given}
    return IngestBatch.objects.create(received_at=received_at, **columns)


def test_each_tile_counts_what_it_leads_to():
    now = datetime.now(UTC)
    ActivePromotionFactory(start_at=now - DAY, end_at=now + 30 * DAY)
    ActivePromotionFactory(start_at=now + 10 * DAY, end_at=now + 30 * DAY)
    ActivePromotionFactory(start_at=now + 47 * HOUR, end_at=now + 30 * DAY)
    ActivePromotionFactory(start_at=now - DAY, end_at=now + 6 * DAY)
    ActivePromotionFactory(start_at=now - DAY, end_at=now + 30 * DAY, paused_at=now)
    for used in (79, 80, 100):
        spend(ActivePromotionFactory(start_at=now - DAY, end_at=now + 30 * DAY, budget=100), used)
    for at in (now, now - 8 * DAY):
        Job.objects.create(kind="x", title="X", state="failed", finished_at=at)
    client, _ = logged_in("admin")
    found = tiles(client)
    assert {words: tile.number for words, tile in found.items()} == {
        "running": "4",
        "start within 48 h": "1",
        "end within 7 days": "1",
        "budget 80 % used": "2",
        "paused": "1",
        "dead letters in 24 h": "0",
        "failed jobs in 7 days": "1",
    }
    for words in (
        "running",
        "start within 48 h",
        "end within 7 days",
        "budget 80 % used",
        "paused",
    ):
        listed = client.get(found[words].url).context["cl"].result_count
        assert listed == int(found[words].number), words
    assert client.get(found["failed jobs in 7 days"].url).context["cl"].result_count == 1


def test_it_takes_few_queries_however_much_there_is():
    def world():
        now = datetime.now(UTC)
        promotion = ActivePromotionFactory(budget=100)
        spend(promotion, 10)
        counted(promotion, now, amount=1)
        batch(now - HOUR / 2)

    def queries(role):
        client, _ = logged_in(role)
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/admin/").status_code == 200
        return len(captured)

    world()
    few = {role: queries(role) for role in ("admin", "ops", "viewer", "marketer")}
    assert max(few.values()) <= 12, few
    for _ in range(6):
        world()
    assert {role: queries(role) for role in few} == few


def test_a_fresh_installation_shows_the_first_steps():
    client, _ = logged_in("admin")
    steps = client.get("/admin/").context["steps"]
    assert [step.done for step in steps] == [False] * 4
    PromotionFactory()
    assert [step.done for step in client.get("/admin/").context["steps"]] == [True] + [False] * 3
    promotion = ActivePromotionFactory()
    assert [s.done for s in client.get("/admin/").context["steps"]] == [True, True, False, False]
    assert "charts" not in client.get("/admin/").context
    counted(promotion, datetime.now(UTC))
    page = client.get("/admin/")
    assert "steps" not in page.context
    assert "First steps" not in page.content.decode()


def test_redemptions_and_their_value_by_day():
    now = db_now()
    euros, dollars = ActivePromotionFactory(currency="EUR"), ActivePromotionFactory()
    counted(euros, now, events=3, amount=Decimal("30.50"))
    counted(dollars, now - 29 * DAY, events=2, amount=7)
    counted(dollars, now - 30 * DAY, events=9, amount=900)
    found = pulse.redemptions(now, 30)
    assert (found.redemptions[0], found.redemptions[-1], sum(found.redemptions)) == (2, 3, 5)
    assert (found.value["EUR"][-1], found.value["USD"][0]) == (Decimal("30.50"), 7)
    page = strip_tags(logged_in("marketer")[0].get("/admin/").content.decode())
    assert "5 redemptions" in page
    assert "30.50 EUR" in page
    assert "Also in USD." in page


def test_the_last_hour_by_minutes_and_the_delay():
    now = db_now()
    batch(now - timedelta(minutes=59, seconds=30), accepted=2, processed=2)
    batch(now - timedelta(minutes=61))
    batch(now - timedelta(seconds=20), accepted=5, processed=3, dead=1, retrying=1)
    batch(now - timedelta(seconds=5), accepted=4, processed=0, body="[]", processed_at=None)
    hour = pulse.last_hour(now)
    assert (hour.accepted[0], hour.accepted[-1]) == (2, 9)
    assert (sum(hour.processed), sum(hour.failed)) == (5, 2)
    assert round(hour.delay) == 2
    assert not hour.partial
    queue = pulse.queue(now)
    assert (queue.waiting, round(queue.oldest)) == (1, 5)


def test_a_queue_in_trouble_says_so(monkeypatch):
    now = db_now()
    for worker, words in ((True, "Alive"), (False, "None"), (None, "Redis is away")):
        queue = pulse.Queue(7_000, 70.0, 3, now - HOUR, 0, worker)
        rows = {
            name: strip_tags(str(badge))
            for name, badge, _hint in dashboard._health(queue, pulse.last_hour(now), now)
        }
        assert rows["Workers"] == words
        assert rows["Consumption"].startswith("Paused 1 h")
    health = dashboard._health(queue, pulse.last_hour(now), now)
    assert all("pp-bad" in badge for name, badge, _ in health if name.startswith(("Wait", "The")))


def test_who_may_not_read_the_trail_sees_none_of_it():
    UserFactory()
    for role, sees in (("marketer", False), ("ops", True), ("viewer", True), ("admin", True)):
        page = logged_in(role)[0].get("/admin/").content.decode()
        assert ("Recent changes" in page) == sees, role
        assert ("dead letters in 24 h" in page) == sees, role


def test_a_chart_has_every_number_in_its_table():
    chart = Chart(
        "Money",
        ["1 Jun", "2 Jun", "3 Jun"],
        [Series("EUR", [Decimal(0), Decimal("12.50"), Decimal(1200)]), Series("<b>", [0, 0, 1])],
    )
    html = draw(chart)
    assert "1,212.50 EUR" in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    rows = re.findall(r"<tr><td>(.*?)</td>(.*?)</tr>", html)
    assert [row[0] for row in rows] == ["3 Jun", "2 Jun"], "newest first, empty days left out"
    assert "12.50" in rows[1][1]
    assert 'role="img"' in html
    empty = draw(Chart("Nothing", ["1", "2"], [Series("events", [0, 0])]))
    assert "<table" not in empty
