"""What every trigger of ours asks first."""

import pgtrigger
import pytest
from django.db import DatabaseError, transaction

from accounts.models import AuditEntry
from promopulse.lib import triggers

pytestmark = pytest.mark.django_db


def test_no_setting_turns_a_trigger_off():
    """Migrations bring pgtrigger's own function, which obeys `pgtrigger.ignore`; ours follows."""
    AuditEntry.objects.create(action="x", object_type="x", object_id="1")
    with pgtrigger.ignore():
        AuditEntry.objects.update(reason="tests may, to see the damage found")
        triggers.heed("default")
        with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
            AuditEntry.objects.update(reason="the product may not")
