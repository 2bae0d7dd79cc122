"""Months of the facts: each as append-only as the whole."""

from datetime import date

import pytest
from django.db import DatabaseError, connection, transaction

from engagement import partitions

pytestmark = pytest.mark.django_db


def run(statement):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("how", ["TRUNCATE {}", "TRUNCATE ONLY {}", "TRUNCATE {} CASCADE"])
def test_no_month_is_emptied_by_itself(how):
    partitions.ensure([date(2019, 5, 17)])
    months = [partitions.partition_name(month) for month in partitions.existing()]
    assert "engagement_event_2019_05" in months
    for month in months:
        with pytest.raises(DatabaseError, match="append-only"):
            run(how.format(month))
