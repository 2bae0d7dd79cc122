"""Activate, pause, resume, end, top up, duplicate: preview, confirm, report."""

from datetime import UTC, datetime, timedelta

import pytest

from promotions import services
from promotions.models import Promotion
from promotions.tests.admin_pages import LIST, change, logged_in, said
from promotions.tests.factories import (
    ActivePromotionFactory,
    EndedPromotionFactory,
    PromotionFactory,
)
from promotions.tests.trail import entries, stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketer():
    return logged_in("marketer")


@pytest.fixture
def client(marketer):
    return marketer[0]


def preview(client, move, *promotions):
    ids = ",".join(str(promotion.pk) for promotion in promotions)
    return client.get(f"{LIST}move/{move}/?ids={ids}")


def confirm(client, move, page, **given):
    return client.post(f"{LIST}move/{move}/", {"plan": page.context["plan"], **given})


def test_looking_changes_nothing(client):
    promotions = [PromotionFactory(), ActivePromotionFactory(), EndedPromotionFactory()]
    rows = [stored(promotion) for promotion in promotions]
    for move in ("activate", "pause", "resume", "end", "top_up", "duplicate"):
        assert preview(client, move, *promotions).status_code == 200
    assert [stored(promotion) for promotion in promotions] == rows
    assert Promotion.objects.count() == 3


def test_activate_from_the_preview(marketer):
    client, user = marketer
    promotion = PromotionFactory()
    page = preview(client, "activate", promotion)
    assert b"Cannot be undone:" in page.content
    response = confirm(client, "activate", page, reason="Go")
    assert (response.status_code, response["Location"]) == (302, change(promotion.pk))
    assert said(response) == ["Activated: 1."]
    assert stored(promotion)["status"] == "active"
    (entry,) = entries(promotion)
    assert (entry.actor_user, entry.via, entry.reason) == (user, "admin", "Go")


def test_pause_resume_and_end_keep_their_reason(client):
    promotion = ActivePromotionFactory()
    for move in ("pause", "resume", "end"):
        confirm(client, move, preview(client, move, promotion), reason=f"Why {move}")
    assert [(entry.action, entry.reason) for entry in entries(promotion)] == [
        ("promotion.pause", "Why pause"),
        ("promotion.resume", "Why resume"),
        ("promotion.end", "Why end"),
    ]


def test_top_up_asks_how_much(client):
    promotion = ActivePromotionFactory(budget=10)
    page = preview(client, "top_up", promotion)
    for amount in ("", "0", "-1", "x", "NaN", "1e20"):
        refused = confirm(client, "top_up", page, amount=amount)
        assert refused.status_code == 200
        assert refused.context["form"].errors
    too_fine = confirm(client, "top_up", page, amount="0.001")
    assert said(too_fine) == [f"{promotion}: More decimals than USD has."]
    assert entries(promotion) == []
    assert confirm(client, "top_up", page, amount="2.50", reason="more").status_code == 302
    assert Promotion.objects.get().budget.total == 12.5


def test_duplicate_makes_a_draft(client):
    promotion = EndedPromotionFactory(name="June")
    response = confirm(client, "duplicate", preview(client, "duplicate", promotion))
    assert said(response) == ["Duplicated: 1."]
    assert Promotion.objects.get(status="draft").name == "June (copy)"


def test_what_a_move_does_not_apply_to_is_named_and_left(client):
    draft, active, ended = PromotionFactory(), ActivePromotionFactory(), EndedPromotionFactory()
    page = preview(client, "pause", draft, active, ended)
    assert page.content.count(b"this does not apply to it") == 2
    assert page.context["plan"] == f"{active.pk}:1"
    nothing = preview(client, "resume", active)
    assert (nothing.context["plan"], b'type="submit" class="pp' in nothing.content) == ("", False)


def test_a_plan_that_changed_is_to_be_reviewed(client):
    promotion, other = PromotionFactory(name="June"), PromotionFactory()
    page = preview(client, "activate", promotion, other)
    services.update_promotion(promotion.pk, changes={"name": "July"})
    response = confirm(client, "activate", page)
    assert said(response) == [
        "July: the plan changed, review it again.",
        "Activated: 1.",
    ]
    assert stored(promotion)["status"] == "draft"
    assert stored(other)["status"] == "active"


def test_a_forged_plan_is_refused_with_its_reason(client):
    ended = EndedPromotionFactory()
    response = client.post(f"{LIST}move/activate/", {"plan": f"{ended.pk}:1"})
    assert said(response) == [f"{ended}: Cannot transition from ended to active"]
    for plan in ("", "x", "1", f"{ended.pk}:x", f"{2**70}:1", "404:1", ":" * 100_000):
        response = client.post(f"{LIST}move/activate/", {"plan": plan})
        assert said(response)[-1] == "Choose a promotion."
    assert client.post(f"{LIST}move/explode/", {"plan": ""}).status_code == 404


def test_a_reason_has_its_bounds(client):
    promotion = ActivePromotionFactory()
    page = preview(client, "end", promotion)
    for reason in ("x" * 501, "a\x00b"):
        assert confirm(client, "end", page, reason=reason).context["form"].errors
    assert stored(promotion)["status"] == "active"


def test_warnings_before_activation(client):
    now = datetime.now(UTC)
    past = PromotionFactory(start_at=now - timedelta(days=60))
    short = PromotionFactory(
        start_at=now - timedelta(minutes=5),
        end_at=now + timedelta(minutes=5),
        is_targeted=True,
        budget=0,
    )
    page = preview(client, "activate", past, short)
    first, second = (row.warnings for row in page.context["planned"])
    assert first == [
        "Its window is over already.",
        "It has no budget: there is no limit to what it gives away.",
    ]
    assert second == [
        "It starts in the past: it runs at once.",
        "Its window is shorter than an hour.",
        "Its budget is zero.",
        "It is targeted and names nobody: nobody will see it.",
    ]


def test_the_lists_actions_lead_to_the_preview(client):
    promotions = [PromotionFactory(), PromotionFactory()]
    ids = [promotion.pk for promotion in promotions]
    response = client.post(LIST, {"action": "activate", "_selected_action": ids})
    assert response["Location"] == f"{LIST}move/activate/?ids={ids[0]},{ids[1]}"
    page = client.get(response["Location"])
    assert said(confirm(client, "activate", page)) == ["Activated: 2."]


def test_at_most_a_hundred_at_once(client):
    ids = [PromotionFactory().pk for _ in range(101)]
    response = client.post(
        LIST, {"action": "activate", "_selected_action": ids[:1], "select_across": "1"}
    )
    assert said(response) == ["Choose at most 100 promotions at once."]
    assert not Promotion.objects.exclude(status="draft").exists()


def test_buttons_are_the_legal_moves(client):
    def buttons(promotion):
        return [words for words, _url in client.get(change(promotion.pk)).context["moves"]]

    assert buttons(PromotionFactory()) == ["Activate", "Duplicate"]
    assert buttons(PromotionFactory(budget=1)) == ["Activate", "Top up", "Duplicate"]
    assert buttons(ActivePromotionFactory()) == ["Pause", "End", "Duplicate"]
    paused = ActivePromotionFactory(paused_at=datetime.now(UTC))
    assert buttons(paused) == ["Resume", "End", "Duplicate"]
    assert buttons(EndedPromotionFactory()) == ["Duplicate"]


def test_those_who_may_not_change_may_not_move():
    promotion = PromotionFactory()
    for role in ("ops", "customer"):
        client, _ = logged_in(role)
        assert preview(client, "activate", promotion).status_code in (302, 403)
        response = client.post(f"{LIST}move/activate/", {"plan": f"{promotion.pk}:1"})
        assert response.status_code in (302, 403)
        client.post(LIST, {"action": "activate", "_selected_action": [promotion.pk]})
    assert stored(promotion)["status"] == "draft"
