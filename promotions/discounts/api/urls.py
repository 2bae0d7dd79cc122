"""The routes of discounts under /api/v1/."""

from django.urls import path

from promotions.discounts.api.available import AvailableViewSet

urlpatterns = [
    path("discounts/available", AvailableViewSet.as_view({"post": "create"})),
]
