"""Routes beside a promotion: its budget with the ledger, and its history."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiViewSet
from accounts.models import AuditEntry
from accounts.roles import Permission
from promopulse.lib.pagination import Keyset
from promotions import selectors, services
from promotions.api.serializers import (
    BudgetEntryOut,
    BudgetIn,
    BudgetOut,
    HistoryEntryOut,
    TopUpIn,
)
from promotions.models import Budget, BudgetEntry

_TOTAL = OpenApiExample("A total", {"total": "10000.00"}, request_only=True)
_MORE = OpenApiExample("More", {"amount": "500.00", "reason": "Second week"}, request_only=True)


class BudgetViewSet(ApiViewSet):
    """The money a promotion may give away."""

    queryset = Budget.objects.all()
    bodies = {"update": BudgetIn, "top_up": TopUpIn}
    refusals = {"update": ("field_locked",), "top_up": ("promotion_not_active", "promotion_ended")}
    access = {
        "retrieve": Permission.INTERNALS_READ,
        "update": Permission.PROMOTIONS_WRITE,
        "top_up": Permission.PROMOTIONS_WRITE,
    }

    def _shown(self, promotion_id: int) -> Response:
        return self.answer(BudgetOut, selectors.get_promotion(promotion_id))

    @extend_schema(summary="The budget of a promotion", responses=BudgetOut)
    def retrieve(self, request: Request, promotion_id: int) -> Response:
        return self._shown(promotion_id)

    @extend_schema(
        summary="Set the budget of a draft",
        description="null makes it unlimited again. After the draft, top up.",
        responses=BudgetOut,
        examples=[_TOTAL],
    )
    def update(self, request: Request, promotion_id: int) -> Response:
        services.set_budget_total(promotion_id, **self.body())
        return self._shown(promotion_id)

    @extend_schema(
        summary="Add money to the budget of a draft or an active promotion",
        responses=BudgetOut,
        examples=[_MORE],
    )
    def top_up(self, request: Request, promotion_id: int) -> Response:
        services.top_up(promotion_id, **self.body())
        return self._shown(promotion_id)


class BudgetEntryViewSet(ApiViewSet):
    """The ledger of a budget, newest first."""

    queryset = BudgetEntry.objects.all()
    pagination_class = Keyset
    access = {"list": Permission.INTERNALS_READ}

    @extend_schema(
        summary="Every movement of a budget, newest first", responses=BudgetEntryOut(many=True)
    )
    def list(self, request: Request, promotion_id: int) -> Response:
        selectors.get_promotion(promotion_id)
        return self.page(BudgetEntryOut, selectors.ledger(promotion_id))


class HistoryViewSet(ApiViewSet):
    """What was done to a promotion, newest first."""

    queryset = AuditEntry.objects.all()
    pagination_class = Keyset
    access = {"list": Permission.INTERNALS_READ}

    @extend_schema(
        summary="Every change of a promotion, newest first", responses=HistoryEntryOut(many=True)
    )
    def list(self, request: Request, promotion_id: int) -> Response:
        selectors.get_promotion(promotion_id)
        return self.page(HistoryEntryOut, selectors.history(promotion_id))
