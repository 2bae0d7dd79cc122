"""The routes of this app under /api/v1/."""

from django.urls import path

from engagement.api import views
from engagement.api.ingest import ingest_events
from engagement.api.letters import DeadLetterViewSet

event_list = views.EventViewSet.as_view({"get": "list"})
event_detail = views.EventViewSet.as_view({"get": "retrieve"})
letter_list = DeadLetterViewSet.as_view({"get": "list"})
letter_detail = DeadLetterViewSet.as_view({"get": "retrieve"})
# As many groups as causes: all of them at once.
letter_groups = DeadLetterViewSet.as_view({"get": "groups"}, pagination_class=None)
letter_replay = DeadLetterViewSet.as_view({"post": "replay"})
letter_replay_one = DeadLetterViewSet.as_view({"post": "replay_one"})
letter_discard = DeadLetterViewSet.as_view({"post": "discard"})
letter_restore = DeadLetterViewSet.as_view({"post": "restore"})

urlpatterns = [
    path("events/ingest", ingest_events, name="event-ingest"),
    path("events", event_list, name="event-list"),
    path("events/<str:event_id>", event_detail, name="event-detail"),
    path("promotions/<int:promotion_id>/stats", views.PromotionStats.as_view(), name="stats"),
    path("stats", views.AllStats.as_view(), name="all-stats"),
    path("dead-letters", letter_list, name="dead-letter-list"),
    path("dead-letters/groups", letter_groups, name="dead-letter-groups"),
    path("dead-letters/replay", letter_replay, name="dead-letter-replay"),
    path("dead-letters/<int:pk>", letter_detail, name="dead-letter-detail"),
    path("dead-letters/<int:pk>/replay", letter_replay_one, name="dead-letter-replay-one"),
    path("dead-letters/<int:pk>/discard", letter_discard, name="dead-letter-discard"),
    path("dead-letters/<int:pk>/restore", letter_restore, name="dead-letter-restore"),
]
