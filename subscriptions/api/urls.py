"""The routes of this app under /api/v1/."""

from django.urls import path

from subscriptions.api.views import SubscriptionViewSet

urlpatterns = [
    path("subscriptions", SubscriptionViewSet.as_view({"get": "list", "post": "create"})),
    path("subscriptions/<int:pk>/deactivate", SubscriptionViewSet.as_view({"patch": "deactivate"})),
    path("subscriptions/<int:pk>/reactivate", SubscriptionViewSet.as_view({"patch": "reactivate"})),
]
