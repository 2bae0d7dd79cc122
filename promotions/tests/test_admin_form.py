"""The form of a promotion in the admin: through the services, refusals at their field."""

from datetime import UTC, datetime

import pytest

from accounts.tests.factories import PoolFactory, UserFactory
from promopulse.lib import context
from promotions import selectors, services
from promotions.models import Promotion
from promotions.tests.admin_pages import LIST, as_sent, change, logged_in, said
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
)
from promotions.tests.trail import entries, stored

pytestmark = pytest.mark.django_db

NEW = {
    "name": "June",
    "description": "Words",
    "start_at_0": "2026-06-01",
    "start_at_1": "00:00",
    "end_at_0": "2026-07-01",
    "end_at_1": "00:00:00",
    "timezone": "Europe/Berlin",
    "currency": "EUR",
    "metadata": "{}",
}


@pytest.fixture
def marketer():
    return logged_in("marketer")


@pytest.fixture
def client(marketer):
    return marketer[0]


def errors(response):
    """The errors of a page that was refused."""
    assert response.status_code == 200
    return response.context["adminform"].form.errors


def test_a_new_draft_in_its_zone(marketer):
    client, user = marketer
    pool = PoolFactory()
    response = client.post(
        f"{LIST}add/",
        NEW
        | {
            "budget_total": "1000.50",
            "target_users": [user.pk],
            "target_pools": [pool.pk],
            "source_id": "shop:1",
            "metadata": '{"channel": "web"}',
        },
    )
    promotion = Promotion.objects.get()
    page = f"{LIST}{promotion.pk}/change/"
    assert (response.status_code, response["Location"]) == (302, page)
    assert promotion.start_at == datetime(2026, 5, 31, 22, tzinfo=UTC)
    assert promotion.end_at == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert (promotion.status, promotion.timezone) == ("draft", "Europe/Berlin")
    assert (promotion.is_targeted, promotion.source_id) == (True, "shop:1")
    assert promotion.metadata == {"channel": "web"}
    assert selectors.audience_of(promotion) == selectors.Audience([user.pk], [pool.pk])
    assert str(promotion.budget.total) == "1000.500"
    created, funded = entries(promotion)
    assert (created.action, funded.action) == ("promotion.create", "promotion.set_budget")
    assert (created.actor_user, created.via) == (user, "admin")


def test_a_form_sent_back_untouched_changes_nothing(client):
    promotion = PromotionFactory(
        timezone="America/New_York",
        users=[UserFactory()],
        pools=[PoolFactory()],
        budget="10.50",
        metadata={"a": 1},
        source_id="shop:1",
    )
    row = stored(promotion)
    response = client.post(change(promotion.pk), as_sent(client, change(promotion.pk)))
    assert response.status_code == 302
    assert stored(promotion) == row
    assert entries(promotion) == []


def test_a_draft_is_edited(client):
    kept, added = UserFactory(), UserFactory()
    promotion = PromotionFactory(users=[kept, UserFactory()], budget=10)
    data = as_sent(client, change(promotion.pk)) | {
        "name": "New",
        "budget_total": "25",
        "target_users": [kept.pk, added.pk],
        "start_at_0": "2026-06-01",
        "start_at_1": "09:30",
    }
    assert client.post(change(promotion.pk), data).status_code == 302
    row = stored(promotion)
    assert (row["name"], row["start_at"]) == ("New", datetime(2026, 6, 1, 9, 30, tzinfo=UTC))
    assert row["end_at"] == promotion.end_at
    assert selectors.audience_of(promotion).target_user_ids == [kept.pk, added.pk]
    assert Promotion.objects.get().budget_left() == 25
    updated, funded = entries(promotion)
    assert set(updated.after) == {"name", "start_at", "target_user_ids"}
    assert funded.after == {"budget_total": "25.00"}


def test_an_emptied_total_is_unlimited(client):
    promotion = PromotionFactory(budget=10)
    data = as_sent(client, change(promotion.pk)) | {"budget_total": ""}
    client.post(change(promotion.pk), data)
    assert Promotion.objects.get().budget_left() is None


def test_another_zone_makes_the_same_clock_another_instant(client):
    promotion = PromotionFactory(
        start_at=datetime(2026, 6, 1, tzinfo=UTC), end_at=datetime(2026, 7, 1, tzinfo=UTC)
    )
    data = as_sent(client, change(promotion.pk)) | {"timezone": "Asia/Tokyo"}
    client.post(change(promotion.pk), data)
    row = stored(promotion)
    assert row["start_at"] == datetime(2026, 5, 31, 15, tzinfo=UTC)
    assert row["end_at"] == datetime(2026, 6, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "clock", "words"),
    [
        (
            "2026-03-29",
            "02:30",
            "enter 01:30+01:00 or 03:30+02:00.",
        ),
        ("2026-10-25", "02:30", "enter 02:30+02:00 or 02:30+01:00"),
    ],
)
def test_clock_times_that_are_none_or_two_are_refused_with_the_choices(client, day, clock, words):
    body = NEW | {"end_at_0": day, "end_at_1": clock, "start_at_0": "2026-01-01"}
    (error,) = errors(client.post(f"{LIST}add/", body))["end_at"]
    assert words in error
    assert not Promotion.objects.exists()


def test_the_repeated_hour_with_its_offset(client):
    client.post(f"{LIST}add/", NEW | {"end_at_0": "2026-10-25", "end_at_1": "02:30+01:00"})
    assert Promotion.objects.get().end_at == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"description": "x" * 10_001}, "description"),
        ({"start_at_0": ""}, "start_at"),
        ({"start_at_1": "late"}, "start_at"),
        ({"start_at_1": "25:00"}, "start_at"),
        ({"start_at_0": "1969-01-01"}, "start_at"),
        ({"end_at_0": "9999-12-31", "end_at_1": "23:59"}, "end_at"),
        ({"end_at_0": "0001-01-01"}, "end_at"),
        ({"end_at_0": "2026-06-01"}, "end_at"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"currency": "usd"}, "currency"),
        ({"budget_total": "-1"}, "budget_total"),
        ({"budget_total": "1.001"}, "budget_total"),
        ({"budget_total": "NaN"}, "budget_total"),
        ({"budget_total": "1000000000000"}, "budget_total"),
        ({"currency": "JPY", "budget_total": "0.5"}, "budget_total"),
        ({"target_users": ["999"]}, "target_users"),
        ({"target_users": ["a"]}, "target_users"),
        ({"target_pools": [str(2**70)]}, "target_pools"),
        ({"source_id": "shop:1"}, "source_id"),
        ({"metadata": "{"}, "metadata"),
        ({"metadata": "[]"}, "metadata"),
        ({"metadata": '{"a": NaN}'}, "metadata"),
        ({"metadata": '{"a": "\\u0000"}'}, "metadata"),
        ({"metadata": "[" * 10_000}, "metadata"),
    ],
)
def test_refusals_stand_at_their_field(client, wrong, field):
    other = PromotionFactory(source_id="shop:1")
    assert list(errors(client.post(f"{LIST}add/", NEW | wrong))) == [field]
    assert Promotion.objects.get() == other
    assert entries(other) == []


def test_a_refused_budget_takes_the_rest_back(client):
    """The edit before it has gone through: both are one transaction."""
    promotion = PromotionFactory(currency="JPY", budget=10)
    row = stored(promotion)
    data = as_sent(client, change(promotion.pk)) | {"name": "New", "budget_total": "0.5"}
    assert list(errors(client.post(change(promotion.pk), data))) == ["budget_total"]
    assert stored(promotion) == row


def test_an_active_promotion_can_be_renamed_and_no_more(client):
    promotion = ActivePromotionFactory(budget=10)
    data = as_sent(client, change(promotion.pk))
    assert set(data) == {"name", "description", "seen_version"}
    forged = data | {"name": "New", "start_at_0": "2020-01-01", "start_at_1": "00:00"}
    assert client.post(change(promotion.pk), forged).status_code == 302
    row = stored(promotion)
    assert (row["name"], row["start_at"]) == ("New", promotion.start_at)
    (entry,) = entries(promotion)
    assert entry.after == {"name": "New"}


def test_a_draft_activated_under_the_form_is_a_conflict(client):
    promotion = PromotionFactory()
    data = as_sent(client, change(promotion.pk)) | {"name": "New"}
    services.change_status(promotion.pk, status="active")
    (words, what) = errors(client.post(change(promotion.pk), data))["__all__"]
    assert words.startswith("Somebody else saved this promotion meanwhile.")
    assert "activate: status: draft -> active" in what
    assert stored(promotion)["name"] == promotion.name


def test_the_second_of_two_editors_is_told_who_and_what(client):
    promotion = PromotionFactory(name="June")
    other, user = logged_in("admin")
    data = as_sent(client, change(promotion.pk))
    other.post(change(promotion.pk), as_sent(other, change(promotion.pk)) | {"name": "July"})
    response = client.post(change(promotion.pk), data | {"name": "August"})
    (words, what) = errors(response)["__all__"]
    assert "Open it again" in words
    assert what.startswith(f"{user.name}, ")
    assert "update: name: June -> July" in what
    assert stored(promotion)["name"] == "July"


@pytest.mark.parametrize("version", ["", "0", "x", "2", str(2**70)])
def test_a_form_without_its_version_is_refused(client, version):
    promotion = PromotionFactory()
    data = as_sent(client, change(promotion.pk)) | {"name": "New", "seen_version": version}
    assert client.post(change(promotion.pk), data).status_code == 200
    assert stored(promotion)["name"] == promotion.name


def test_an_ended_promotion_is_read_only(client):
    promotion = EndedPromotionFactory()
    row = stored(promotion)
    page = client.get(change(promotion.pk))
    assert (page.status_code, page.context["has_change_permission"]) == (200, False)
    assert client.post(change(promotion.pk), {"name": "New"}).status_code == 403
    assert stored(promotion) == row


def test_only_drafts_are_deleted(client):
    draft = PromotionFactory(users=[UserFactory()], budget=10)
    assert client.get(f"{LIST}{draft.pk}/delete/").status_code == 200
    assert client.post(f"{LIST}{draft.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Promotion.objects.exists()
    (entry,) = entries(draft)
    assert (entry.action, entry.via) == ("promotion.delete", "admin")
    for factory in (ActivePromotionFactory, EndedPromotionFactory):
        promotion = factory()
        url = f"{LIST}{promotion.pk}/delete/"
        assert client.post(url, {"post": "yes"}).status_code == 403
    assert Promotion.objects.count() == 2


def test_a_draft_activated_under_the_deletion_stays(client, monkeypatch):
    promotion = PromotionFactory()
    delete = services.delete_promotion

    def meanwhile(pk):
        services.change_status(pk, status="active")
        delete(pk)

    monkeypatch.setattr(services, "delete_promotion", meanwhile)
    response = client.post(f"{LIST}{promotion.pk}/delete/", {"post": "yes"})
    assert response.status_code == 302
    assert said(response) == ["A promotion that is active cannot be deleted."]
    assert Promotion.objects.filter(pk=promotion.pk).exists()


def test_what_is_not_there_leads_back(client):
    for pk in ("404", str(2**70), "a"):
        assert client.get(f"{LIST}{pk}/change/").status_code == 302


def test_ops_look_and_customers_stay_out():
    promotion = PromotionFactory(users=[UserFactory()], budget=10)
    row = stored(promotion)
    ops, _ = logged_in("ops")
    page = ops.get(change(promotion.pk))
    assert (page.status_code, page.context["has_change_permission"]) == (200, False)
    assert page.context["moves"] == []
    assert ops.post(change(promotion.pk), {"name": "New"}).status_code == 403
    assert ops.post(f"{LIST}add/", NEW).status_code == 403
    assert ops.post(f"{LIST}{promotion.pk}/delete/", {"post": "yes"}).status_code == 403
    customer, _ = logged_in("customer")
    assert customer.get(LIST).status_code == 302
    assert stored(promotion) == row
    assert Promotion.objects.count() == 1


def test_the_page_tells_its_history(client):
    promotion = PromotionFactory(name="June")
    other, user = logged_in("admin")
    data = as_sent(other, change(promotion.pk)) | {"name": "<b>July</b>"}
    other.post(change(promotion.pk), data)
    context.begin("nightly")
    services.change_status(promotion.pk, status="active", reason="Go")
    page = client.get(change(promotion.pk), {"tab": "history"}).content.decode()
    assert f"<td>{user.name} " in page
    assert "name: June → &lt;b&gt;July&lt;/b&gt;" in page
    assert "<td>The system " in page
    assert "<td>Go</td>" in page
