#!/usr/bin/env python
import os
import sys
from importlib import import_module

from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, ManagementUtility

FAILED, USAGE = 1, 2  # as in promopulse.lib.commands.Exit


class Manage(ManagementUtility):
    def fetch_command(self, subcommand: str) -> BaseCommand:
        try:
            return super().fetch_command(subcommand)
        except SystemExit:  # nobody knows it, and Django has said so
            sys.exit(USAGE)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "promopulse.settings")
    try:
        import_module(os.environ["DJANGO_SETTINGS_MODULE"])
    except (ImproperlyConfigured, ValueError) as wrong:
        sys.stderr.write(f"{wrong}\n")
        sys.exit(FAILED)
    Manage(sys.argv).execute()


if __name__ == "__main__":
    main()
