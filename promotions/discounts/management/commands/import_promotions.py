"""`manage.py import_promotions FILE`: campaigns out of a file."""

from typing import Any

from django.core.management.base import CommandParser

from promopulse.lib.importing.command import ImportCommand, Importer
from promopulse.lib.importing.reporting import Report
from promotions.discounts.importing import CampaignImporter


class Command(ImportCommand):
    help = (
        "Import promotions (columns id or source_id, name, start_at, end_at, description, "
        "timezone, currency, is_targeted, total_budget; discount_type, discount_percentage or "
        "discount_flat, min_cart_value, max_discount_amount, max_usage_per_customer_per_day; "
        "others become metadata). Known ones are found by id."
    )

    def add_columns(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--activate",
            action="store_true",
            help="Activate the drafts; a window in the past stays valid for events inside it.",
        )

    def importer(self, report: Report, options: dict[str, Any]) -> Importer:
        return CampaignImporter(
            report,
            source=options["source"],
            renames=options["map"],
            activate=options["activate"],
        )
