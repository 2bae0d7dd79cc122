"""`manage.py import_users FILE`: people out of a file, each once however often it is imported."""

from typing import Any

from accounts.importing import UserImporter
from promopulse.lib.importing.command import ImportCommand, Importer
from promopulse.lib.importing.reporting import Report


class Command(ImportCommand):
    help = (
        "Import users (columns email, name or first_name and last_name, phone, id or source_id; "
        "others become metadata). Known ones are found by id, else by e-mail."
    )

    def importer(self, report: Report, options: dict[str, Any]) -> Importer:
        return UserImporter(report, source=options["source"], renames=options["map"])
