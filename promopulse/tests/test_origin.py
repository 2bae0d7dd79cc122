"""A database that was made by an earlier text of our migrations."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from promopulse import doctor, origin

pytestmark = pytest.mark.django_db


def migrate_again():
    call_command("migrate", verbosity=0)


def test_a_new_database_is_of_the_present_text():
    migrate_again()
    assert origin.edited_since(connection) == []
    assert doctor.migrations().level is doctor.Level.OK


@pytest.mark.parametrize("comment", ["NULL", "'{}'", "'of somebody else'"])
def test_one_whose_text_was_not_noted_is_refused(comment):
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON TABLE django_migrations IS {comment}")
    with pytest.raises(CommandError, match=r"an earlier text of accounts\.0001_initial"):
        migrate_again()


def test_one_of_another_text_is_refused_and_stays_so(monkeypatch):
    now = origin._fingerprint

    def before(module):
        return "another" if module.startswith("promotions.migrations") else now(module)

    with monkeypatch.context() as then:
        then.setattr(origin, "_fingerprint", before)
        origin.note(connection)
    for _ in range(2):
        with pytest.raises(CommandError, match=r"earlier text of promotions\.0001_initial\. Until"):
            migrate_again()
    finding = doctor.migrations()
    assert finding.level is doctor.Level.ERROR
    assert "begin with an empty database" in finding.words


def test_migrations_of_packages_are_their_makers_business():
    labels = {name.partition(".")[0] for name in origin._applied(connection)}
    assert {"accounts", "promotions", "discounts", "engagement"} <= labels
    assert labels.isdisjoint({"auth", "sessions", "contenttypes"})
