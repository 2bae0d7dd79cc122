"""`import_subscriptions`: judged by their own time, set-wise, each pair once."""

from datetime import UTC, datetime

import pytest

from accounts.models import AuditEntry
from accounts.tests.factories import PoolFactory, PoolMembershipFactory, UserFactory
from promopulse.tests.commands import bad_rows, ndjson, run
from promotions.models import Promotion, PromotionTarget
from promotions.states import Status
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
)
from subscriptions.models import Subscription
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db
MARCH = {
    "start_at": datetime(2019, 3, 1, tzinfo=UTC),
    "end_at": datetime(2019, 4, 1, tzinfo=UTC),
}
IN_MARCH = "2019-03-05T10:00:00Z"


def test_pairs_keep_their_own_times(tmp_path):
    ann, carl = UserFactory(source_id="shop:1"), UserFactory(source_id="shop:2")
    promotion = ActivePromotionFactory(source_id="shop:7", **MARCH)
    path = tmp_path / "pairs.csv"
    path.write_text(
        "customer_id,promotion_id,subscribed_at,deactivated_at,times\n"
        f"1,7,{IN_MARCH},,3\n"
        f"2,7,{IN_MARCH},2019-03-09T00:00:00Z,\n"
        f"1,7,2019-03-06T10:00:00Z,,1\n"
    )
    done = run("import_subscriptions", path, "--source", "shop")
    assert done == (0, {"rows": 3, "created": 2, "unchanged": 1, "failed": 0}, "")
    first, second = Subscription.objects.order_by("user_id")
    assert (first.user_id, first.promotion_id, first.is_active) == (ann.pk, promotion.pk, True)
    assert first.subscribed_at == datetime(2019, 3, 5, 10, tzinfo=UTC)
    assert first.metadata == {"times": "3"}
    assert (second.user_id, second.is_active) == (carl.pk, False)
    assert second.deactivated_at == datetime(2019, 3, 9, tzinfo=UTC)
    entry = AuditEntry.objects.get(action="promotion.import_subscriptions")
    assert (entry.object_id, entry.after) == (promotion.pk, {"subscriptions": 2})

    before = list(Subscription.objects.order_by("id").values())
    done = run("import_subscriptions", path, "--source", "shop")
    assert done.data == {"rows": 3, "created": 0, "unchanged": 3, "failed": 0}
    assert list(Subscription.objects.order_by("id").values()) == before
    assert AuditEntry.objects.filter(action="promotion.import_subscriptions").count() == 1


def targeted(user, pool):
    promotion = PromotionFactory(is_targeted=True, **MARCH)
    PromotionTarget.objects.create(promotion=promotion, user=user)
    PromotionTarget.objects.create(promotion=promotion, pool=pool)
    Promotion.objects.filter(pk=promotion.pk).update(
        status=Status.ACTIVE, activated_at=promotion.start_at
    )
    return promotion


def test_every_row_is_judged_by_its_time(tmp_path):
    user, named, member = UserFactory(), UserFactory(), UserFactory()
    pool = PoolFactory()
    PoolMembershipFactory(pool=pool, user=member)
    draft = PromotionFactory(**MARCH)
    march = ActivePromotionFactory(**MARCH)
    ended = EndedPromotionFactory(
        **MARCH | {"ended_at": datetime(2019, 3, 10, tzinfo=UTC)},
        activated_at=MARCH["start_at"],
    )
    paused = ActivePromotionFactory(**MARCH, paused_at=datetime(2019, 3, 10, tzinfo=UTC))
    aimed = targeted(named, pool)
    early, late = "2019-03-05T00:00:00Z", "2019-03-20T00:00:00Z"

    def row(promotion, at, who=user, **values):
        promotion_id = getattr(promotion, "pk", promotion)
        return {"user_id": getattr(who, "pk", who), "promotion_id": promotion_id} | (
            {"subscribed_at": at, **values}
        )

    expected = [
        (row(draft, early), "promotion_not_active"),
        (row(march, "2019-02-01T00:00:00Z"), None),
        (row(march, "2019-04-01T00:00:00Z", named), "promotion_expired"),
        (row(ended, late), "promotion_ended"),
        (row(ended, early), None),
        (row(paused, late), "promotion_paused"),
        (row(paused, early), None),
        (row(aimed, early), "not_targeted"),
        (row(aimed, early, named), None),
        (row(aimed, early, member), None),
        (row(march, early, 2**60), "not_found"),
        (row(2**60, early), "not_found"),
        (row(march, "2999-01-01T00:00:00Z", member), "in_the_future"),
        (row(march, "2019-03-05", member), "naive_time"),
        (row(march, late, member, deactivated_at=early), "invalid"),
        (row(march, early, member, is_active=False), "invalid"),
        (row(march, early, member, deactivated_at=late, is_active=False), None),
        (row(march, early, "x"), "invalid"),
        (row(march, early, None), "invalid"),
        (row(march, early, named, note="x" * 5_000), "max_length"),
        (row(march, early, named, metadata=[]), "not_an_object"),
    ]
    report = tmp_path / "bad"
    path = ndjson(tmp_path / "rows", [row for row, _ in expected])
    done = run("import_subscriptions", path, "--report", report)
    bad = [(line, code) for line, (_, code) in enumerate(expected, 1) if code]
    assert sorted(bad_rows(report)) == bad
    assert done.code == 3
    good = len(expected) - len(bad)
    assert done.data == {
        "rows": len(expected), "created": good, "unchanged": 0, "failed": len(bad)
    }  # fmt: skip
    assert Subscription.objects.count() == good


def test_without_a_time_a_row_is_judged_now(tmp_path):
    user, promotion = UserFactory(), ActivePromotionFactory()
    past = ActivePromotionFactory(**MARCH)
    rows = [{"user_id": user.pk, "promotion_id": one.pk} for one in (promotion, past)]
    done = run("import_subscriptions", ndjson(tmp_path / "rows", rows))
    assert (done.code, done.data["created"]) == (3, 1)
    assert "promotion_expired" in done.words


def test_a_pair_that_exists_stays_as_it_is(tmp_path):
    there = SubscriptionFactory(metadata={"a": 1})
    row = {"user_id": there.user_id, "promotion_id": there.promotion_id, "b": 2}
    done = run("import_subscriptions", ndjson(tmp_path / "rows", [row]))
    assert done.data == {"rows": 1, "created": 0, "unchanged": 1, "failed": 0}
    assert Subscription.objects.get().metadata == {"a": 1}


def test_unknown_ids_of_the_source_and_a_dry_run(tmp_path):
    UserFactory(source_id="shop:1")
    ActivePromotionFactory(source_id="shop:7", **MARCH)
    row = {"user_id": 1, "promotion_id": 7, "subscribed_at": IN_MARCH}
    path = ndjson(tmp_path / "rows", [row, row | {"user_id": 2}, row | {"promotion_id": "8"}])
    done = run("import_subscriptions", path, "--source", "shop", "--dry-run")
    assert (done.code, done.data["created"], done.data["failed"]) == (3, 1, 2)
    assert not Subscription.objects.exists()
    assert not AuditEntry.objects.exists()
