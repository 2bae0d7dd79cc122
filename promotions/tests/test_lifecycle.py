"""draft -> active -> ended, and the brake beside it."""

import pytest

from promopulse.lib.errors import Invalid
from promopulse.lib.time import db_now
from promotions import services
from promotions.errors import InvalidTransition, PromotionEnded, PromotionNotActive
from promotions.states import Status
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
)
from promotions.tests.trail import entries, stored

pytestmark = pytest.mark.django_db

FACTORIES = {
    Status.DRAFT: PromotionFactory,
    Status.ACTIVE: ActivePromotionFactory,
    Status.ENDED: EndedPromotionFactory,
}


def test_a_promotion_is_activated_and_ended_with_stamps_of_the_database():
    promotion = PromotionFactory()
    before = db_now()
    services.change_status(promotion.pk, status="active")
    services.change_status(promotion.pk, status="ended", reason="sold out")
    row = stored(promotion)
    assert before < row["activated_at"] < row["ended_at"] == row["updated_at"] < db_now()
    assert row["version"] == 3
    activated, ended = entries(promotion)
    assert (activated.action, ended.action) == ("promotion.activate", "promotion.end")
    assert (activated.before["status"], activated.after["status"]) == ("draft", "active")
    assert (ended.before["status"], ended.after["status"]) == ("active", "ended")
    assert ended.before["ended_at"] is None
    assert ended.reason == "sold out"


@pytest.mark.parametrize(
    ("present", "wanted"),
    [("draft", "ended"), ("active", "draft"), ("ended", "draft"), ("ended", "active")],
)
def test_no_other_way_is_open(present, wanted):
    promotion = FACTORIES[Status(present)]()
    row = stored(promotion)
    with pytest.raises(InvalidTransition) as refused:
        services.change_status(promotion.pk, status=wanted)
    assert str(refused.value) == f"Cannot transition from {present} to {wanted}"
    assert refused.value.params == {"from_status": present, "to_status": wanted}
    assert stored(promotion) == row
    assert entries(promotion) == []


@pytest.mark.parametrize("status", Status.values)
def test_the_present_status_is_no_change(status):
    promotion = FACTORIES[Status(status)]()
    row = stored(promotion)
    assert services.change_status(promotion.pk, status=status).status == status
    assert stored(promotion) == row
    assert entries(promotion) == []


def test_pausing_twice_keeps_the_first_time_and_reason():
    promotion = ActivePromotionFactory()
    services.pause(promotion.pk, reason=" out of stock ")
    row = stored(promotion)
    assert row["pause_reason"] == "out of stock"
    assert row["paused_at"] == row["updated_at"]
    services.pause(promotion.pk, reason="another")
    assert stored(promotion) == row
    (entry,) = entries(promotion)
    assert (entry.action, entry.reason) == ("promotion.pause", "out of stock")


def test_resuming_twice_is_once():
    promotion = ActivePromotionFactory()
    services.pause(promotion.pk, reason="out of stock")
    services.resume(promotion.pk, reason="restocked")
    row = stored(promotion)
    assert (row["paused_at"], row["pause_reason"]) == (None, "")
    services.resume(promotion.pk)
    assert stored(promotion) == row
    resumed = entries(promotion)[1:]
    assert [(entry.action, entry.reason) for entry in resumed] == [
        ("promotion.resume", "restocked")
    ]
    assert resumed[0].before["pause_reason"] == "out of stock"


@pytest.mark.parametrize("verb", [services.pause, services.resume])
def test_only_active_promotions_have_a_brake(verb):
    draft, ended = PromotionFactory(), EndedPromotionFactory()
    with pytest.raises(PromotionNotActive) as refused:
        verb(draft.pk)
    assert refused.value.params == {"status": "draft"}
    with pytest.raises(PromotionEnded):
        verb(ended.pk)
    assert entries(draft) == entries(ended) == []


def test_a_paused_promotion_can_be_ended():
    promotion = ActivePromotionFactory()
    services.pause(promotion.pk)
    services.change_status(promotion.pk, status="ended")
    assert stored(promotion)["status"] == "ended"


def test_a_reason_has_its_bounds():
    promotion = ActivePromotionFactory()
    for reason in ("x" * 501, "a\x00b"):
        with pytest.raises(Invalid):
            services.pause(promotion.pk, reason=reason)
        with pytest.raises(Invalid):
            services.change_status(promotion.pk, status="ended", reason=reason)
    assert stored(promotion)["paused_at"] is None
