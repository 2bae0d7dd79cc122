"""The shape of the house: app labels, folders, arrows."""

import re
import subprocess
import sys
from pathlib import Path

from django.apps import apps
from django.conf import settings

OUR_APPS = {
    "accounts": {
        "User",
        "RefreshToken",
        "ApiKey",
        "Pool",
        "PoolMembership",
        "AuditEntry",
        "IdempotencyRecord",
        "Job",
        "JobFile",
        "JobInput",
    },
    "promotions": {"Promotion", "PromotionTarget", "Budget", "BudgetEntry", "Edition"},
    "discounts": {
        "Discount",
        "DailyUse",
        "Reservation",
        "Redemption",
        "RefusalCount",
        "Reversal",
        "GrantOutbox",
    },
    "coupons": {
        "CouponBook",
        "CodeBatch",
        "Coupon",
        "BookUser",
        "BookTally",
        "AssignRequest",
        "Distribution",
        "CouponRedemption",
        "CouponReversal",
    },
    "subscriptions": {"Subscription"},
    "engagement": {
        "IngestBatch",
        "ProcessedEvent",
        "Event",
        "EventStat",
        "PromotionUser",
        "RetryEvent",
        "DeadLetterEvent",
        "Consumption",
        "Pruned",
    },
}


def test_every_model_belongs_to_its_app():
    """A nested app left out of INSTALLED_APPS would give its tables to its parent, silently."""
    for label, names in OUR_APPS.items():
        assert {model.__name__ for model in apps.get_app_config(label).get_models()} == names


def test_every_app_has_migrations_and_tests():
    for label in OUR_APPS:
        folder = Path(apps.get_app_config(label).path)
        assert (folder / "migrations" / "__init__.py").exists()
        assert (folder / "tests" / "__init__.py").exists()


def test_tables_are_named_by_label():
    for label in OUR_APPS:
        for model in apps.get_app_config(label).get_models():
            assert model._meta.db_table.startswith(f"{label}_")


def test_promotions_package_stays_empty():
    assert (Path(settings.BASE_DIR) / "promotions" / "__init__.py").read_text() == ""


def test_promotions_do_not_know_their_nested_apps():
    folder = Path(settings.BASE_DIR) / "promotions"
    nested = [folder / "discounts", folder / "coupons"]
    for file in folder.rglob("*.py"):
        if not any(file.is_relative_to(place) for place in nested):
            for line in file.read_text().splitlines():
                assert not re.match(r"\s*(from|import) promotions\.(discounts|coupons)", line), file


def test_discounts_do_not_know_coupons():
    for file in (Path(settings.BASE_DIR) / "promotions" / "discounts").rglob("*.py"):
        assert "promotions.coupons" not in file.read_text(), file


def test_imports_point_down_only():
    found = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout
