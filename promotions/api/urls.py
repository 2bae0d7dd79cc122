"""The routes of this app under /api/v1/."""

from django.urls import path

from promotions.api.ledgers import BudgetEntryViewSet, BudgetViewSet, HistoryViewSet
from promotions.api.views import PromotionViewSet

_ONE = "promotions/<int:promotion_id>"


urlpatterns = [
    path("promotions", PromotionViewSet.as_view({"get": "list", "post": "create"})),
    path(
        _ONE,
        PromotionViewSet.as_view(
            {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
        ),
    ),
    path(
        f"{_ONE}/status",
        PromotionViewSet.as_view({"post": "change_status", "patch": "change_status"}),
    ),
    path(f"{_ONE}/pause", PromotionViewSet.as_view({"post": "pause"})),
    path(f"{_ONE}/resume", PromotionViewSet.as_view({"post": "resume"})),
    path(f"{_ONE}/history", HistoryViewSet.as_view({"get": "list"})),
    path(f"{_ONE}/budget", BudgetViewSet.as_view({"get": "retrieve", "put": "update"})),
    path(f"{_ONE}/budget/top-up", BudgetViewSet.as_view({"post": "top_up"})),
    path(f"{_ONE}/budget/entries", BudgetEntryViewSet.as_view({"get": "list"})),
]
