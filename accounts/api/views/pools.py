"""pools: named lists of users."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.api.base import ApiViewSet
from accounts.api.serializers import (
    AddedOut,
    PoolIn,
    PoolOut,
    PoolPatchIn,
    PoolUsersIn,
    RemovedOut,
    UserOut,
)
from accounts.roles import Permission
from accounts.services import pools

_POOL = OpenApiExample(
    "A pool",
    {
        "id": 2,
        "name": "Beta Testers",
        "description": "",
        "user_count": 3,
        "created_at": "2026-06-01T08:00:00Z",
    },
    response_only=True,
)
_USERS = OpenApiExample(
    "By id and by e-mail",
    {"user_ids": [7, 8, 404], "emails": ["carol@example.com"]},
    request_only=True,
)


class PoolViewSet(ApiViewSet):
    """Named lists of users, used to target promotions and to distribute coupons."""

    access = {
        "list": Permission.INTERNALS_READ,
        "retrieve": Permission.INTERNALS_READ,
        "users": Permission.INTERNALS_READ,
        "create": Permission.PROMOTIONS_WRITE,
        "partial_update": Permission.PROMOTIONS_WRITE,
        "destroy": Permission.PROMOTIONS_WRITE,
        "add_users": Permission.PROMOTIONS_WRITE,
        "remove_users": Permission.PROMOTIONS_WRITE,
    }
    bodies = {
        "create": PoolIn,
        "partial_update": PoolPatchIn,
        "add_users": PoolUsersIn,
        "remove_users": PoolUsersIn,
    }
    refusals = {"destroy": ("promotion_in_use",)}

    @extend_schema(summary="Pools, newest first", responses=PoolOut(many=True))
    def list(self, request: Request) -> Response:
        return self.page(PoolOut, selectors.pools())

    @extend_schema(
        summary="Make a pool",
        responses={201: PoolOut},
        examples=[
            OpenApiExample(
                "With its first users",
                {"name": "Beta Testers", "user_ids": [7, 8, 9]},
                request_only=True,
            ),
            _POOL,
        ],
    )
    def create(self, request: Request) -> Response:
        return self.answer(PoolOut, pools.create_pool(**self.body()), status=201)

    @extend_schema(summary="One pool", responses=PoolOut, examples=[_POOL])
    def retrieve(self, request: Request, pk: int) -> Response:
        return self.answer(PoolOut, selectors.pool_by_id(pk))

    @extend_schema(summary="Rename or describe a pool", responses=PoolOut, examples=[_POOL])
    def partial_update(self, request: Request, pk: int) -> Response:
        return self.answer(PoolOut, pools.update_pool(pk, **self.body()))

    @extend_schema(
        summary="Remove a pool",
        description="Its users stay. The audience of a promotion cannot be removed.",
        responses={204: None},
    )
    def destroy(self, request: Request, pk: int) -> Response:
        pools.delete_pool(pk)
        return Response(status=204)

    @extend_schema(summary="Users of a pool, by id", responses=UserOut(many=True))
    def users(self, request: Request, pk: int) -> Response:
        return self.page(UserOut, selectors.members(selectors.pool_by_id(pk)))

    @extend_schema(
        summary="Put users into a pool",
        responses=AddedOut,
        examples=[
            _USERS,
            OpenApiExample(
                "Two joined",
                {"added": 2, "already_in": 1, "unknown": [404], "user_count": 3},
                response_only=True,
            ),
        ],
    )
    def add_users(self, request: Request, pk: int) -> Response:
        pool, moved = pools.add_users(pk, **self.body())
        counts = {
            "added": moved.moved,
            "already_in": moved.already,
            "unknown": moved.unknown,
            "user_count": pool.user_count,
        }
        return self.answer(AddedOut, counts)

    @extend_schema(
        summary="Take users out of a pool",
        responses={200: RemovedOut},
        examples=[
            _USERS,
            OpenApiExample(
                "Two left",
                {"removed": 2, "not_in": 1, "unknown": [404], "user_count": 1},
                response_only=True,
            ),
        ],
    )
    def remove_users(self, request: Request, pk: int) -> Response:
        pool, moved = pools.remove_users(pk, **self.body())
        counts = {
            "removed": moved.moved,
            "not_in": moved.already,
            "unknown": moved.unknown,
            "user_count": pool.user_count,
        }
        return self.answer(RemovedOut, counts)
