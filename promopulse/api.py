"""The HTTP API: every app's routes."""

from django.urls import include, path

urlpatterns = [
    path("", include("accounts.api.urls")),
    path("", include("promotions.api.urls")),
    path("", include("promotions.discounts.api.urls")),
    path("", include("promotions.coupons.api.urls")),
    path("", include("subscriptions.api.urls")),
    path("", include("engagement.api.urls")),
]
