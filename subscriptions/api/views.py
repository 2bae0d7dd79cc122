"""Routes of subscriptions: who may, which shape, one call."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiViewSet
from accounts.roles import Permission
from promopulse.lib.filters import StrictBackend
from subscriptions import selectors, services
from subscriptions.api.filters import SubscriptionFilters
from subscriptions.api.serializers import NothingIn, SubscribeIn, SubscriptionOut
from subscriptions.models import Subscription

_EXAMPLE = OpenApiExample(
    "An opt-in", {"user_id": 7, "promotion_id": 3, "metadata": {"via": "app"}}, request_only=True
)
_CLOSED = (
    "promotion_not_active",
    "promotion_ended",
    "promotion_expired",
    "promotion_paused",
    "not_targeted",
)


class SubscriptionViewSet(ApiViewSet):
    """A user's opt-ins to promotions: one per pair, deactivated but never deleted."""

    queryset = Subscription.objects.all()
    filter_backends = (StrictBackend,)
    filterset_class = SubscriptionFilters
    serializer_class = SubscriptionOut
    bodies = {"create": SubscribeIn, "deactivate": NothingIn, "reactivate": NothingIn}
    refusals = {
        "create": ("not_found", "already_subscribed", *_CLOSED),
        "deactivate": ("already_inactive",),
        "reactivate": _CLOSED,
    }
    access = {
        "list": Permission.SUBSCRIPTIONS_READ,
        "create": Permission.SUBSCRIBE,
        "deactivate": Permission.SUBSCRIBE,
        "reactivate": Permission.SUBSCRIBE,
    }

    @extend_schema(summary="Subscriptions of a user or of a promotion, newest first")
    def list(self, request: Request) -> Response:
        rows = selectors.subscriptions_of(user_id=self.only_of)
        return self.page(SubscriptionOut, self.filter_queryset(rows))

    @extend_schema(
        summary="Opt a user in to a promotion",
        request=SubscribeIn,
        responses={201: SubscriptionOut},
        examples=[_EXAMPLE],
    )
    def create(self, request: Request) -> Response:
        body = self.body(SubscribeIn)
        self.must_be_own(body["user_id"])
        return self.answer(SubscriptionOut, services.subscribe(**body), status=201)

    @extend_schema(summary="Opt out", request=NothingIn, responses=SubscriptionOut)
    def deactivate(self, request: Request, pk: int) -> Response:
        self.body(NothingIn)
        return self.answer(SubscriptionOut, services.deactivate(pk, of_user=self.only_of))

    @extend_schema(
        summary="Opt in again",
        description="An active subscription stays as it is.",
        request=NothingIn,
        responses=SubscriptionOut,
    )
    def reactivate(self, request: Request, pk: int) -> Response:
        self.body(NothingIn)
        return self.answer(SubscriptionOut, services.reactivate(pk, of_user=self.only_of))
