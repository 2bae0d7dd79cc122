"""The budget report and the money's metrics."""

from decimal import Decimal

import pytest
from django.core.management import call_command
from prometheus_client import CollectorRegistry, generate_latest

from accounts.tests.factories import UserFactory
from promopulse.lib.metrics import registry
from promopulse.tests import commands
from promotions import services as promotions
from promotions.discounts import errors, services
from promotions.discounts.metrics import Budgets
from promotions.discounts.tests.factories import CampaignFactory

pytestmark = pytest.mark.django_db


def grant(campaign, cart=50):
    return services.grant(
        promotion_id=campaign.pk, user_id=UserFactory().pk, cart_value=Decimal(cart)
    )


def counted(name, **labels):
    return registry.get_sample_value(f"promopulse_discounts_{name}_total", labels) or 0


def test_the_fullest_budget_comes_first(capsys):
    half, full = CampaignFactory(budget=10), CampaignFactory(budget=5, name="Full")
    CampaignFactory()
    grant(half), grant(full)
    services.reserve(promotion_id=half.pk, user_id=UserFactory().pk, cart_value=Decimal("12.50"))
    done = commands.run("budget_report")
    first, second = done.data["budgets"]
    assert (first["promotion_id"], first["used_percent"]) == (full.pk, 100.0)
    assert first["effective_status"] == "budget_exhausted"
    assert (second["spent"], second["reserved"], second["left"]) == ("5.00", "1.25", "3.75")
    assert (second["redemptions"], second["reservations"]) == (1, 1)
    assert len(commands.run("budget_report", "--above", "80").data["budgets"]) == 1
    call_command("budget_report", "--promotion", str(full.pk))
    shown = capsys.readouterr().out
    assert "100.0 %" in shown
    assert "Full (budget_exhausted)" in shown


def test_refusals_grants_and_reversals_are_counted(django_capture_on_commit_callbacks):
    campaign = CampaignFactory(budget=5)
    before = {
        "granted": counted("granted", how="apply"),
        "money": counted("granted_amount", currency="USD"),
        "refused": counted("refused", code="budget_exhausted"),
        "reversed": counted("reversed"),
    }
    with django_capture_on_commit_callbacks(execute=True):
        given = grant(campaign)
        with pytest.raises(errors.BudgetExhausted):
            grant(campaign)
        services.reverse(given.pk, amount=Decimal(2))
    assert counted("granted", how="apply") == before["granted"] + 1
    assert counted("granted_amount", currency="USD") == before["money"] + 5
    assert counted("refused", code="budget_exhausted") == before["refused"] + 1
    assert counted("reversed") == before["reversed"] + 1


def test_a_scrape_tells_what_is_left():
    campaign = CampaignFactory(budget=20)
    grant(campaign)
    promotions.change_status(CampaignFactory(budget=7).pk, status="ended")
    shown = CollectorRegistry()
    shown.register(Budgets())
    lines = [
        line for line in generate_latest(shown).decode().splitlines() if not line.startswith("#")
    ]
    assert lines == [f'promopulse_budget_left{{currency="USD",promotion="{campaign.pk}"}} 15.0']
