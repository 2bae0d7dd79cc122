"""`manage.py migrate`: Django's own, but for a database it could not bring up to date."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections

from promopulse import origin
from promopulse.lib.commands import quiet_logs
from promopulse.lib.postgresql.reason import why_it_is_away


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        try:
            with quiet_logs(options["verbosity"]):
                if edited := origin.edited_since(connection):
                    raise CommandError(origin.refusal(edited))
                super().handle(*args, **options)
                origin.note(connection)
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {why_it_is_away(error)}") from error
