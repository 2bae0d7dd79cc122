"""The routes of this app under /api/v1/."""

from django.urls import path

from engagement.api import views
from engagement.api.ingest import ingest_events

event_list = views.EventViewSet.as_view({"get": "list"})
event_detail = views.EventViewSet.as_view({"get": "retrieve"})
letter_list = views.DeadLetterViewSet.as_view({"get": "list"})
letter_detail = views.DeadLetterViewSet.as_view({"get": "retrieve"})
letter_groups = views.DeadLetterViewSet.as_view({"get": "groups"})

urlpatterns = [
    path("events/ingest", ingest_events, name="event-ingest"),
    path("events", event_list, name="event-list"),
    path("events/<str:event_id>", event_detail, name="event-detail"),
    path("promotions/<int:promotion_id>/stats", views.PromotionStats.as_view(), name="stats"),
    path("stats", views.AllStats.as_view(), name="all-stats"),
    path("dead-letters", letter_list, name="dead-letter-list"),
    path("dead-letters/groups", letter_groups, name="dead-letter-groups"),
    path("dead-letters/<int:pk>", letter_detail, name="dead-letter-detail"),
]
