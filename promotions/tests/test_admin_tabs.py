"""The tabs of a promotion's page: what each says, and what it costs."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from accounts.tests.factories import PoolFactory, PoolMembershipFactory, UserFactory
from promotions.admin import extensions, pages
from promotions.models import PromotionTarget
from promotions.tests.admin_pages import LIST, change, logged_in
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
    spend,
)

pytestmark = pytest.mark.django_db
TABS = [name.lower() for name in pages.TABS]


@pytest.fixture
def client():
    return logged_in("marketer")[0]


def tab(client, promotion, name):
    page = client.get(change(promotion.pk), {"tab": name})
    assert page.status_code == 200
    return " ".join(strip_tags(page.content.decode()).split())


def test_every_tab_opens_for_everybody_in_every_status():
    promotions = [PromotionFactory(), ActivePromotionFactory(budget=10), EndedPromotionFactory()]
    for role in ("marketer", "ops", "viewer", "admin"):
        client, _ = logged_in(role)
        for promotion in promotions:
            for name in (*TABS, "", "none"):
                with CaptureQueriesContext(connection) as captured:
                    page = client.get(change(promotion.pk), {"tab": name})
                assert page.status_code == 200
                assert len(captured) <= 12, (role, name, len(captured))


def test_the_overview_says_what_it_is_and_how_far_along():
    now = datetime.now(UTC)
    promotion = ActivePromotionFactory(
        start_at=now - timedelta(days=1), end_at=now + timedelta(days=3), budget=100,
        timezone="Europe/Berlin",
    )  # fmt: skip
    spend(promotion, 25)
    page = logged_in("marketer")[0].get(change(promotion.pk))
    words = " ".join(strip_tags(page.content.decode()).split())
    assert "(Europe/Berlin)" in words
    assert "Left75.00 USD" in words
    assert 'value="25" aria-label="Window gone by"' in page.content.decode()
    assert 'value="25" aria-label="Budget used"' in page.content.decode()
    assert "are fixed" in words, "locked fields say why"


@pytest.mark.parametrize(
    ("start", "end", "zone", "said"),
    [
        ("2026-05-31T22:00Z", "2026-06-30T22:00Z", "Europe/Berlin", "1 Jun – 30 Jun 2026"),  # noqa: RUF001
        ("2026-12-30T12:00Z", "2027-01-02T12:00Z", "UTC", "30 Dec 2026 – 2 Jan 2027"),  # noqa: RUF001
    ],
)
def test_the_sentence_names_its_first_and_last_day(start, end, zone, said):
    times = {"start_at": datetime.fromisoformat(start), "end_at": datetime.fromisoformat(end)}
    assert pages.sentence(PromotionFactory(timezone=zone, **times)) == f"{said} ({zone})"


def test_the_list_says_what_each_gives_in_one_go(client, monkeypatch):
    calls = []

    def say(promotions):
        calls.append(len(promotions))
        return {one.pk: f"Something off {one.pk}" for one in promotions}

    monkeypatch.setattr(extensions, "sentences", [say])
    promotions = PromotionFactory.create_batch(3)
    page = client.get(LIST).content.decode()
    assert calls == [3]
    assert all(f"Something off {one.pk}" in page for one in promotions)


def test_the_audience_is_named_and_counted(client):
    pool = PoolFactory(name="Testers")
    PoolMembershipFactory.create_batch(2, pool=pool)
    alice = UserFactory(name="Alice", email="alice@example.com")
    promotion = PromotionFactory(is_targeted=True)
    PromotionTarget.objects.create(promotion=promotion, pool=pool)
    PromotionTarget.objects.create(promotion=promotion, user=alice)
    words = tab(client, promotion, "audience")
    assert "3 (named or in a pool of its audience)" in words
    assert "Testers2 users" in words
    assert "Alicea***e@e***.com" in words
    assert "alice@example.com" not in words


def test_a_panel_of_another_app_is_in_its_place(client, monkeypatch):
    promotion = PromotionFactory()
    drawn = [
        extensions.Panel("codes", "Second", lambda _request, one: f"for {one.pk}", place=20),
        extensions.Panel("codes", "First", lambda *_given: "<b>", place=10),
        extensions.Panel("codes", "Empty", lambda *_given: ""),
        extensions.Panel("rules", "Elsewhere", lambda *_given: "x"),
    ]
    monkeypatch.setattr(extensions, "panels", drawn)
    page = client.get(change(promotion.pk), {"tab": "codes"})
    assert [panel.title for panel in page.context["panels"]] == ["First", "Second"]
    assert "&lt;b&gt;" in page.content.decode()
    monkeypatch.setattr(extensions, "panels", [])
    assert "No coupon book belongs to it." in tab(client, promotion, "codes")


def test_a_form_is_on_the_overview_only(client):
    promotion = PromotionFactory()
    assert b'name="name"' in client.get(change(promotion.pk)).content
    for name in TABS[1:]:
        page = client.get(change(promotion.pk), {"tab": name}).content
        assert b'name="name"' not in page
        assert b'name="_save"' not in page
