"""What tests look at: the stored row and the audit trail of a promotion."""

from typing import Any

from accounts.models import AuditEntry
from promotions import selectors
from promotions.models import Promotion


def entries(promotion: Promotion) -> list[AuditEntry]:
    """Its audit entries, oldest first."""
    return list(selectors.history(promotion.pk).order_by("id"))


def stored(promotion: Promotion) -> dict[str, Any]:
    """Every column as it is in the database now."""
    return dict(Promotion.objects.filter(pk=promotion.pk).values().get())
