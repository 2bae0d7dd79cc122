"""Activate, pause, resume, end, top up, duplicate: preview, confirm, report."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils.html import strip_tags

from accounts.tests.factories import PoolFactory, PoolMembershipFactory, UserFactory
from promotions import services
from promotions.models import Promotion, PromotionTarget
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
    """Send the form of a preview back as it is, with what was filled in."""
    address = page.wsgi_request.get_full_path()
    return client.post(address, {"plan": page.context["plan"].hash, **given})


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
    assert too_fine.context["form"].errors == {"amount": ["More decimals than USD has."]}
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
    assert said(confirm(client, "pause", page))[-1].startswith("Paused: 1.")
    assert stored(active)["paused_at"] is not None
    nothing = preview(client, "pause", active)
    assert (nothing.context["plan"].count, b'type="submit" class="pp' in nothing.content) == (
        0,
        False,
    )


def test_a_plan_that_changed_is_to_be_reviewed(client):
    promotion, other = PromotionFactory(name="June"), PromotionFactory()
    page = preview(client, "activate", promotion, other)
    services.update_promotion(promotion.pk, changes={"name": "July"})
    response = confirm(client, "activate", page)
    assert said(response) == ["The plan changed, review it again."]
    assert response["Location"] == page.wsgi_request.get_full_path()
    assert {stored(promotion)["status"], stored(other)["status"]} == {"draft"}
    assert (
        said(confirm(client, "activate", client.get(response["Location"])))[-1] == "Activated: 2."
    )


def test_a_change_between_the_check_and_the_deed_undoes_all_of_it(client, monkeypatch):
    first, second = PromotionFactory(), PromotionFactory()
    page = preview(client, "activate", first, second)
    change_status = services.change_status

    def overtaken(pk, **given):
        if pk == second.pk:
            services.update_promotion(pk, changes={"name": "Quicker"})
        return change_status(pk, **given)

    monkeypatch.setattr("promotions.services.change_status", overtaken)
    assert said(confirm(client, "activate", page)) == ["The plan changed, review it again."]
    assert {stored(first)["status"], stored(second)["status"]} == {"draft"}


def test_a_forged_plan_does_nothing(client):
    ended = EndedPromotionFactory()
    address = f"{LIST}move/activate/?ids={ended.pk}"
    for plan in ("", "x", f"{ended.pk}:1", "0" * 16):
        assert said(client.post(address, {"plan": plan}))[-1].startswith("The plan changed")
    for ids in ("", "x", f"{2**70}", "404", "," * 100_000):
        response = client.post(f"{LIST}move/activate/?ids={ids}", {"plan": ""})
        assert said(response)[-1] == "Choose a promotion."
    assert client.post(f"{LIST}move/explode/", {"plan": ""}).status_code == 404


def test_a_pause_can_be_undone(client):
    promotion = ActivePromotionFactory()
    told = said(confirm(client, "pause", preview(client, "pause", promotion)))[0]
    undo = f"{LIST}move/resume/?ids={promotion.pk}"
    assert f'href="{undo}"' in told
    confirm(client, "resume", client.get(undo))
    assert stored(promotion)["paused_at"] is None


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
    first, second = (row["warnings"] for row in page.context["rows"])
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


def test_the_preview_of_one_says_what_will_happen(client):
    PoolMembershipFactory(pool=(pool := PoolFactory()))
    named = UserFactory()
    PoolMembershipFactory(pool=pool, user=named)
    now = datetime.now(UTC)
    promotion = PromotionFactory(
        start_at=now + timedelta(days=1),
        end_at=now + timedelta(days=9),
        timezone="Europe/Berlin",
        is_targeted=True,
        budget=5,
    )
    PromotionTarget.objects.create(promotion=promotion, pool=pool)
    PromotionTarget.objects.create(promotion=promotion, user=named)
    at_once = ActivePromotionFactory(
        name="At the same time", start_at=now, end_at=now + timedelta(days=2)
    )
    ActivePromotionFactory(name="Before", start_at=now, end_at=now + timedelta(hours=1))
    page = strip_tags(preview(client, "activate", promotion).content.decode())
    assert "2 (named or in a pool of its audience)" in page
    assert "At the same time" in page
    assert "Before" not in page
    assert all(zone in page for zone in ("CET", "UTC"))
    assert "Cannot be undone:" in page

    ending = strip_tags(preview(client, "end", at_once).content.decode())
    assert re.search(r"Stops\s*At once1 d 23 h early", ending)


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
