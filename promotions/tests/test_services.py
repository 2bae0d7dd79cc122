"""What the services do, and what they refuse with nothing changed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from accounts.models import AuditEntry
from accounts.tests.factories import PoolFactory, UserFactory
from promopulse.lib import context
from promopulse.lib.errors import Invalid, InvalidTimeRange, VersionConflict
from promopulse.lib.time import db_now
from promotions import selectors, services
from promotions.errors import FieldLocked, PromotionInUse, PromotionNotFound
from promotions.models import Budget, BudgetEntry, Promotion, PromotionTarget
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
    spend,
)
from promotions.tests.trail import entries, stored

pytestmark = pytest.mark.django_db

JUNE = {
    "start_at": datetime(2026, 6, 1, tzinfo=UTC),
    "end_at": datetime(2026, 7, 1, tzinfo=UTC),
}


def test_a_new_promotion_is_a_draft_stamped_by_the_database():
    before = db_now()
    promotion = services.create_promotion(name="  June  ", **JUNE)
    promotion.refresh_from_db()
    assert (promotion.name, promotion.status, promotion.version) == ("June", "draft", 1)
    assert (promotion.timezone, promotion.currency, promotion.metadata) == ("UTC", "USD", {})
    assert before <= promotion.created_at <= db_now()


def test_creation_is_audited_with_its_actor():
    user = UserFactory()
    context.begin("r-1", context.Actor(user_id=user.pk, via="api"))
    promotion = services.create_promotion(name="June", **JUNE)
    (entry,) = entries(promotion)
    assert (entry.action, entry.actor_user_id, entry.via) == ("promotion.create", user.pk, "api")
    assert entry.request_id == "r-1"
    assert entry.after["name"] == "June"
    assert entry.after["start_at"] == "2026-06-01T00:00:00Z"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "   "),
        ("name", "x" * 256),
        ("name", "a\x00b"),
        ("description", "x" * 10_001),
        ("start_at", datetime(2026, 6, 1)),  # noqa: DTZ001
        ("start_at", datetime(1969, 1, 1, tzinfo=UTC)),
        ("end_at", datetime(9999, 6, 1, tzinfo=UTC)),
        ("timezone", "Mars/Olympus"),
        ("currency", "usd"),
        ("source_id", "x" * 129),
        ("metadata", {"text": "x" * 4_097}),
        ("metadata", {"number": float("nan")}),
        ("metadata", {"text": "a\x00b"}),
        ("metadata", ["no object"]),
        ("target_user_ids", ["1"]),
        ("target_user_ids", [True]),
        ("target_pool_ids", range(1, 1_002)),
        ("is_targeted", "yes"),
    ],
)
def test_values_that_cannot_be_are_refused_by_field(field, value):
    with pytest.raises(Invalid) as refused:
        services.create_promotion(**({"name": "June"} | JUNE | {field: value}))
    assert refused.value.errors[0]["pointer"] == f"/{field}"
    assert not Promotion.objects.exists()
    assert not AuditEntry.objects.exists()


def test_the_end_must_be_after_the_start():
    for end_at in (JUNE["start_at"], JUNE["start_at"] - timedelta(seconds=1)):
        with pytest.raises(InvalidTimeRange):
            services.create_promotion(name="June", **JUNE | {"end_at": end_at})


def test_a_window_in_the_past_can_be_made_and_activated():
    promotion = services.create_promotion(
        name="2018",
        start_at=datetime(2018, 8, 1, tzinfo=UTC),
        end_at=datetime(2018, 8, 31, tzinfo=UTC),
    )
    assert services.change_status(promotion.pk, status="active").status == "active"


def test_times_are_kept_in_utc():
    offset = timezone(timedelta(hours=2))
    promotion = services.create_promotion(
        name="June", **JUNE | {"start_at": datetime(2026, 6, 1, 2, tzinfo=offset)}
    )
    assert promotion.start_at == JUNE["start_at"]


def test_a_source_id_is_one_promotions():
    services.create_promotion(name="June", source_id="shop:1", **JUNE)
    with pytest.raises(Invalid) as refused:
        services.create_promotion(name="July", source_id="shop:1", **JUNE)
    assert refused.value.errors[0] == {
        "pointer": "/source_id",
        "code": "unique",
        "detail": "Another promotion has this id.",
    }
    services.create_promotion(name="None", source_id="", **JUNE)
    services.create_promotion(name="None again", source_id=None, **JUNE)
    assert Promotion.objects.count() == 3


def test_naming_an_audience_makes_a_promotion_targeted():
    user, pool = UserFactory(), PoolFactory()
    promotion = services.create_promotion(
        name="June", target_user_ids=[user.pk, user.pk], target_pool_ids=[pool.pk], **JUNE
    )
    assert promotion.is_targeted
    assert selectors.audience_of(promotion) == selectors.Audience([user.pk], [pool.pk])


def test_an_audience_of_an_open_promotion_is_a_contradiction():
    user = UserFactory()
    with pytest.raises(Invalid) as refused:
        services.create_promotion(name="June", is_targeted=False, target_user_ids=[user.pk], **JUNE)
    assert refused.value.errors[0]["pointer"] == "/is_targeted"


def test_unknown_targets_are_named():
    known = UserFactory()
    with pytest.raises(Invalid, match=r"^Unknown: 998, 999\.$") as refused:
        services.create_promotion(name="June", target_user_ids=[999, known.pk, 998], **JUNE)
    assert refused.value.errors[0]["pointer"] == "/target_user_ids"
    with pytest.raises(Invalid) as refused:
        services.create_promotion(name="June", target_pool_ids=[999], **JUNE)
    assert refused.value.errors[0]["pointer"] == "/target_pool_ids"
    assert not Promotion.objects.exists()


def test_an_edit_leaves_what_changed_in_the_trail():
    promotion = PromotionFactory(name="June")
    updated_at = promotion.updated_at
    promotion = services.update_promotion(
        promotion.pk, changes={"name": "July", "currency": "USD"}, reason="typo"
    )
    assert (promotion.name, promotion.version) == ("July", 2)
    assert promotion.updated_at > updated_at
    (entry,) = entries(promotion)
    assert (entry.before, entry.after) == ({"name": "June"}, {"name": "July"})
    assert entry.reason == "typo"


@pytest.mark.parametrize("factory", [ActivePromotionFactory, EndedPromotionFactory])
def test_stored_values_are_no_edit_in_any_status(factory):
    promotion = factory(metadata={"a": 1}, users=[UserFactory()], budget=10)
    row = stored(promotion)
    services.update_promotion(
        promotion.pk,
        changes={
            "name": promotion.name,
            "start_at": promotion.start_at,
            "end_at": promotion.end_at,
            "timezone": "UTC",
            "currency": "USD",
            "is_targeted": True,
            "target_user_ids": selectors.audience_of(promotion).target_user_ids,
            "source_id": None,
            "metadata": {"a": 1},
        },
    )
    assert stored(promotion) == row
    assert entries(promotion) == []


def test_metadata_is_compared_as_json():
    """Python holds True for equal to 1."""
    promotion = PromotionFactory(metadata={"a": 1})
    services.update_promotion(promotion.pk, changes={"metadata": {"a": True}})
    assert stored(promotion)["metadata"] == {"a": True}
    assert len(entries(promotion)) == 1


@pytest.mark.parametrize(
    ("factory", "changes", "locked"),
    [
        (ActivePromotionFactory, {"start_at": JUNE["start_at"], "name": "New"}, ["start_at"]),
        (
            ActivePromotionFactory,
            {"end_at": JUNE["start_at"], "currency": "EUR"},
            ["currency", "end_at"],
        ),
        (ActivePromotionFactory, {"timezone": "Europe/Berlin"}, ["timezone"]),
        (ActivePromotionFactory, {"is_targeted": True}, ["is_targeted"]),
        (ActivePromotionFactory, {"source_id": "a"}, ["source_id"]),
        (ActivePromotionFactory, {"metadata": {"a": 1}}, ["metadata"]),
        (EndedPromotionFactory, {"name": "New", "description": "New"}, ["description", "name"]),
    ],
)
def test_locked_fields_are_named_and_nothing_changes(factory, changes, locked):
    promotion = factory()
    row = stored(promotion)
    with pytest.raises(FieldLocked) as refused:
        services.update_promotion(promotion.pk, changes=changes)
    assert refused.value.params == {"fields": locked, "status": promotion.status}
    assert [error["pointer"] for error in refused.value.errors] == [f"/{name}" for name in locked]
    assert stored(promotion) == row
    assert entries(promotion) == []


def test_the_audience_of_an_active_promotion_is_locked():
    promotion, other = ActivePromotionFactory(users=[UserFactory()]), UserFactory()
    with pytest.raises(FieldLocked) as refused:
        services.update_promotion(promotion.pk, changes={"target_user_ids": [other.pk]})
    assert refused.value.params["fields"] == ["target_user_ids"]
    assert other.pk not in selectors.audience_of(promotion).target_user_ids


def test_an_active_promotion_can_be_renamed():
    promotion = ActivePromotionFactory()
    services.update_promotion(promotion.pk, changes={"name": "New", "description": "Words"})
    assert (stored(promotion)["name"], stored(promotion)["description"]) == ("New", "Words")


def test_an_edit_is_judged_with_the_stored_other_end():
    promotion = PromotionFactory()
    with pytest.raises(InvalidTimeRange):
        services.update_promotion(promotion.pk, changes={"end_at": promotion.start_at})
    with pytest.raises(InvalidTimeRange):
        services.update_promotion(promotion.pk, changes={"start_at": promotion.end_at})


def test_an_audience_is_replaced():
    kept, dropped, added = UserFactory(), UserFactory(), UserFactory()
    promotion = PromotionFactory(users=[kept, dropped], pools=[PoolFactory()])
    row = PromotionTarget.objects.get(user=kept)
    services.update_promotion(promotion.pk, changes={"target_user_ids": [added.pk, kept.pk]})
    assert selectors.audience_of(promotion).target_user_ids == [kept.pk, added.pk]
    assert len(selectors.audience_of(promotion).target_pool_ids) == 1
    assert PromotionTarget.objects.get(user=kept) == row
    (entry,) = entries(promotion)
    assert entry.before == {"target_user_ids": [kept.pk, dropped.pk]}
    assert entry.after == {"target_user_ids": [kept.pk, added.pk]}


def test_opening_a_targeted_promotion_needs_its_audience_emptied():
    promotion = PromotionFactory(users=[UserFactory()])
    with pytest.raises(Invalid):
        services.update_promotion(promotion.pk, changes={"is_targeted": False})
    services.update_promotion(promotion.pk, changes={"is_targeted": False, "target_user_ids": []})
    assert not PromotionTarget.objects.exists()
    user = UserFactory()
    services.update_promotion(promotion.pk, changes={"target_user_ids": [user.pk]})
    assert stored(promotion)["is_targeted"]


def test_the_currency_must_hold_the_budget():
    promotion = PromotionFactory(budget="10.50")
    with pytest.raises(Invalid) as refused:
        services.update_promotion(promotion.pk, changes={"currency": "JPY"})
    assert refused.value.errors[0]["pointer"] == "/currency"
    services.update_promotion(promotion.pk, changes={"currency": "EUR"})
    assert stored(promotion)["currency"] == "EUR"


def test_the_second_editor_is_told():
    promotion = PromotionFactory()
    services.update_promotion(promotion.pk, changes={"name": "First"}, expected_version=1)
    with pytest.raises(VersionConflict) as refused:
        services.update_promotion(promotion.pk, changes={"name": "Second"}, expected_version=1)
    assert refused.value.params == {"expected": 1, "present": 2}
    assert stored(promotion)["name"] == "First"


def test_only_drafts_are_deleted():
    draft = PromotionFactory(users=[UserFactory()], budget=10)
    services.delete_promotion(draft.pk, reason="never mind")
    assert not Promotion.objects.exists()
    assert not PromotionTarget.objects.exists()
    assert not Budget.objects.exists()
    assert not BudgetEntry.objects.exists()
    (entry,) = entries(draft)
    assert (entry.action, entry.before["name"]) == ("promotion.delete", draft.name)
    for factory in (ActivePromotionFactory, EndedPromotionFactory):
        promotion = factory()
        with pytest.raises(PromotionInUse) as refused:
            services.delete_promotion(promotion.pk)
        assert refused.value.params == {"status": promotion.status}
        assert entries(promotion) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda: services.update_promotion(404, changes={}),
        lambda: services.delete_promotion(404),
        lambda: services.duplicate(404),
        lambda: services.change_status(404, status="active"),
        lambda: services.pause(2**70),
        lambda: services.resume(404),
        lambda: services.set_budget_total(404, total=None),
    ],
)
def test_what_is_not_there(call):
    with pytest.raises(PromotionNotFound, match="Promotion not found"):
        call()


def test_a_copy_starts_afresh():
    user, pool = UserFactory(), PoolFactory()
    original = ActivePromotionFactory(
        name="x" * 255, source_id="shop:1", metadata={"a": 1}, users=[user], pools=[pool], budget=10
    )
    spend(original, 4)
    copy = services.duplicate(original.pk, reason="again next year")
    copy.refresh_from_db()
    assert (copy.status, copy.source_id, copy.activated_at, copy.version) == (
        "draft",
        None,
        None,
        1,
    )
    assert copy.name == "x" * 248 + " (copy)"
    assert (copy.start_at, copy.end_at) == (original.start_at, original.end_at)
    assert copy.metadata == {"a": 1}
    assert selectors.audience_of(copy) == selectors.Audience([user.pk], [pool.pk])
    assert (copy.budget.total, copy.budget.reserved, copy.budget.spent) == (10, 0, 0)
    (entry,) = entries(copy)
    assert (entry.action, entry.reason) == ("promotion.duplicate", "again next year")
    assert entry.after["duplicate_of"] == original.pk
    assert entries(original) == []


def test_a_copy_of_an_unlimited_promotion_is_unlimited():
    copy = services.duplicate(PromotionFactory().pk)
    assert not Budget.objects.filter(promotion=copy).exists()
