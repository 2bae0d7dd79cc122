"""`manage.py import_subscriptions FILE`: opt-ins out of a file, with the times they were made."""

from typing import Any

from promopulse.lib.importing.command import ImportCommand, Importer
from promopulse.lib.importing.reporting import Report
from subscriptions.importing import SubscriptionImporter


class Command(ImportCommand):
    help = (
        "Import subscriptions (columns user_id or customer_id, promotion_id, subscribed_at, "
        "deactivated_at, is_active; others become metadata). Pairs that exist stay as they are."
    )
    counts = ("created", "unchanged")
    one_transaction = True
    batch_rows = 5_000

    def importer(self, report: Report, options: dict[str, Any]) -> Importer:
        return SubscriptionImporter(report, source=options["source"], renames=options["map"])
