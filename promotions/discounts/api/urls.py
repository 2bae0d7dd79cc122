"""The routes of discounts under /api/v1/."""

from django.urls import path

from promotions.discounts.api.available import AvailableViewSet
from promotions.discounts.api.campaigns import CampaignViewSet
from promotions.discounts.api.grants import GrantViewSet, RedemptionViewSet, ReservationViewSet
from promotions.discounts.api.terms import CopyViewSet, DiscountViewSet

_PROMOTION = "promotions/<int:promotion_id>"
_CAMPAIGN = "campaigns/<int:campaign_id>"
_RESERVATION = "reservations/<int:reservation_id>"
_REDEMPTION = "redemptions/<int:redemption_id>"


urlpatterns = [
    path(
        f"{_PROMOTION}/discount",
        DiscountViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}),
    ),
    path(f"{_PROMOTION}/duplicate", CopyViewSet.as_view({"post": "duplicate"})),
    path("campaigns", CampaignViewSet.as_view({"get": "list", "post": "create"})),
    path(
        _CAMPAIGN,
        CampaignViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}),
    ),
    path(f"{_CAMPAIGN}/status", CampaignViewSet.as_view({"patch": "change_status"})),
    path("discounts/available", AvailableViewSet.as_view({"post": "create"})),
    path("discounts/apply", GrantViewSet.as_view({"post": "apply"})),
    path("discounts/usage/<int:customer_id>", RedemptionViewSet.as_view({"get": "usage"})),
    path("reservations", GrantViewSet.as_view({"post": "reserve"})),
    path(_RESERVATION, ReservationViewSet.as_view({"get": "retrieve"})),
    path(f"{_RESERVATION}/capture", ReservationViewSet.as_view({"post": "capture"})),
    path(f"{_RESERVATION}/release", ReservationViewSet.as_view({"post": "release"})),
    path("redemptions", RedemptionViewSet.as_view({"get": "list"})),
    path(_REDEMPTION, RedemptionViewSet.as_view({"get": "retrieve"})),
    path(f"{_REDEMPTION}/reverse", RedemptionViewSet.as_view({"post": "reverse"})),
]
