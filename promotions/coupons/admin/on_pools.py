"""What coupons add to the page of a pool: giving codes to its people."""

from django.http import HttpRequest
from django.urls import reverse

from accounts.admin.extensions import pool_moves
from accounts.models import Pool
from promotions.coupons.admin.access import may_write


def moves(request: HttpRequest, pool: Pool) -> list[tuple[str, str]]:
    if not may_write(request):
        return []
    url = reverse("admin:coupons_distribution_distribute")
    return [("Distribute", f"{url}?pool={pool.pk}")]


pool_moves.append(moves)
