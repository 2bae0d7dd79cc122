"""Dead letters: read, replay, discard, restore."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiViewSet
from accounts.roles import Permission
from engagement import letters, selectors
from engagement.api.letter_serializers import (
    DeadLetterGroupOut,
    DeadLetterGroupQuery,
    DeadLetterOut,
    DeadLetterQuery,
    DiscardIn,
    LetterReasonIn,
    ReplayIn,
    ReplayOut,
)
from engagement.models import DeadLetterEvent
from promopulse.lib.errors import NotFound
from promopulse.lib.pagination import Keyset

_LETTER = OpenApiExample(
    "An event of a draft",
    {
        "id": 31,
        "event_id": "visit-4711",
        "type": "VIEW",
        "promotion_id": 7,
        "user_id": 12,
        "occurred_at": "2026-06-01T08:00:00Z",
        "received_at": "2026-06-01T08:00:01Z",
        "cause": "promotion_not_active",
        "category": "refused",
        "detail": "The promotion was never activated.",
        "remedy": "Activate the promotion, then replay.",
        "fingerprint": "promotion_not_active:7",
        "attempts": 1,
        "history": [
            {
                "at": "2026-06-01T08:00:01Z",
                "cause": "promotion_not_active",
                "detail": "The promotion was never activated.",
            }
        ],
        "payload": {
            "event_id": "visit-4711",
            "type": "VIEW",
            "user_id": 12,
            "promotion_id": 7,
            "occurred_at": "2026-06-01T08:00:00Z",
            "metadata": {"placement": "home", "email": "(hidden)"},
        },
        "state": "open",
        "state_reason": "",
        "dead_at": "2026-06-01T08:00:01Z",
        "closed_at": None,
    },
    response_only=True,
)
_GROUP = OpenApiExample(
    "Fifty events of a draft",
    {
        "fingerprint": "promotion_not_active:7",
        "cause": "promotion_not_active",
        "category": "refused",
        "detail": "The promotion was never activated.",
        "remedy": "Activate the promotion, then replay.",
        "count": 50,
        "first_seen": "2026-06-01T08:00:01Z",
        "last_seen": "2026-06-01T09:12:44Z",
        "trend": {"last_hour": 38, "hour_before": 12},
        "promotions": 1,
        "sample_id": 31,
        "sample_event_id": "visit-4711",
    },
    response_only=True,
)
_REPLAYS = [
    OpenApiExample(
        "Five of a group, to see how it goes",
        {"filter": {"fingerprint": "promotion_not_active:7"}, "sample": 5},
        request_only=True,
    ),
    OpenApiExample(
        "All of one promotion, slowly",
        {"filter": {"promotion_id": 7}, "rate": 100, "reason": "Activated too late"},
        request_only=True,
    ),
    OpenApiExample("A dry run", {"ids": [31, 32], "dry_run": True}, request_only=True),
    OpenApiExample(
        "Forty-five are on their way",
        {
            "dry_run": False,
            "count": 45,
            "left_out": 0,
            "already_counted": 1,
            "by_cause": {"promotion_not_active": 45},
            "by_promotion": [{"promotion_id": 7, "count": 45}],
            "oldest_at": "2026-06-01T08:00:01Z",
            "newest_at": "2026-06-01T09:12:44Z",
            "seconds": 0.0,
            "plan": "5f3c9f6e7f0a4b52",
        },
        response_only=True,
    ),
]


class DeadLetterViewSet(ApiViewSet):
    """Events that were not counted, with why, and what can be done about it."""

    access = Permission.DEAD_LETTERS
    bodies = {
        "replay": ReplayIn,
        "replay_one": LetterReasonIn,
        "discard": DiscardIn,
        "restore": LetterReasonIn,
    }
    refusals = {
        "replay": ("plan_changed",),
        "replay_one": ("invalid_transition",),
        "discard": ("invalid_transition",),
        "restore": ("invalid_transition",),
    }
    queryset = DeadLetterEvent.objects.all()
    pagination_class = Keyset

    @extend_schema(
        summary="Dead letters, newest first",
        parameters=[DeadLetterQuery],
        responses=DeadLetterOut(many=True),
        examples=[_LETTER],
    )
    def list(self, request: Request) -> Response:
        rows = selectors.letters(**self.query(DeadLetterQuery))
        return self.page(DeadLetterOut, selectors.with_currency(rows))

    @extend_schema(
        summary="One dead letter, with its history", responses=DeadLetterOut, examples=[_LETTER]
    )
    def retrieve(self, request: Request, pk: int) -> Response:
        return self._shown(pk)

    @extend_schema(
        summary="One row per cause, the largest first",
        description="Of open letters, unless another `state` is asked for.",
        parameters=[DeadLetterGroupQuery],
        responses=DeadLetterGroupOut(many=True),
        filters=False,
        examples=[_GROUP],
    )
    def groups(self, request: Request) -> Response:
        rows = selectors.letters(**self.query(DeadLetterGroupQuery))
        return Response(DeadLetterGroupOut(selectors.letter_groups(rows), many=True).data)

    @extend_schema(
        operation_id="dead_letters_replay",
        summary="Replay open letters",
        description="Sends their events back to the inbox, to be judged by how things are now. "
        "What is refused again is open again, with a longer history; a second replay of the same "
        "letters does nothing. While another replay of the same group is being written the answer "
        "is 409 `version_conflict`.",
        responses=ReplayOut,
        examples=_REPLAYS,
    )
    def replay(self, request: Request) -> Response:
        body = self.body()
        ids = body.pop("ids", None)
        selection = letters.Selection(
            ids=None if ids is None else tuple(ids), **body.pop("filter", {})
        )
        done = letters.replay(selection, **body)
        told = done.plan.figures() | {"dry_run": body["dry_run"], "seconds": done.seconds}
        return self.answer(ReplayOut, told)

    @extend_schema(
        operation_id="dead_letters_replay_one",
        summary="Replay one letter",
        description="One that is being replayed, or was counted, stays as it is.",
        responses=DeadLetterOut,
        examples=[_LETTER],
    )
    def replay_one(self, request: Request, pk: int) -> Response:
        return self._act("replay", pk)

    @extend_schema(
        summary="Discard one open letter",
        description="It stays, and can be restored.",
        responses=DeadLetterOut,
        examples=[_LETTER],
    )
    def discard(self, request: Request, pk: int) -> Response:
        return self._act("discard", pk)

    @extend_schema(
        summary="Restore one discarded letter", responses=DeadLetterOut, examples=[_LETTER]
    )
    def restore(self, request: Request, pk: int) -> Response:
        return self._act("restore", pk)

    def _act(self, action: str, pk: int) -> Response:
        letters.act_on_one(action, pk, **self.body())
        return self._shown(pk)

    def _shown(self, pk: int) -> Response:
        letter = selectors.with_currency(DeadLetterEvent.objects.filter(pk=pk)).first()
        if letter is None:
            raise NotFound()
        return self.answer(DeadLetterOut, letter)
