from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_migrate


class EngagementConfig(AppConfig):
    name = "engagement"

    def ready(self) -> None:
        from engagement import rebuild_job
        from engagement.letters import long

        long.register()
        rebuild_job.register()
        post_migrate.connect(_make_months, sender=self)


def _make_months(using: str, **_kwargs: Any) -> None:
    """Months are made ahead at every deployment; it is not a migration, since time goes on."""
    from engagement import partitions

    if using == DEFAULT_DB_ALIAS and partitions.is_there():
        partitions.ensure_ahead()
