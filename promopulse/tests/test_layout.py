"""The shape of the house: app labels, folders, arrows."""

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
    },
    "promotions": {"Promotion", "PromotionTarget", "Budget", "BudgetEntry"},
    "discounts": set(),
    "coupons": set(),
    "subscriptions": {"Subscription"},
    "engagement": {
        "IngestBatch",
        "ProcessedEvent",
        "Event",
        "EventStat",
        "PromotionUser",
        "RetryEvent",
        "DeadLetterEvent",
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
