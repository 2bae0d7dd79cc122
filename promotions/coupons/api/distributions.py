"""Codes spread over a pool; what was spread, and taking it back."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from promopulse.lib.pagination import Keyset
from promotions.api.serializers import ReasonIn
from promotions.coupons import codes, selectors
from promotions.coupons.api.base import CouponApiViewSet
from promotions.coupons.api.serializers import (
    DistributedOut,
    DistributeIn,
    DistributionOut,
)
from promotions.coupons.errors import DistributionNotFound
from promotions.coupons.models import Distribution
from promotions.coupons.services import distributing
from promotions.coupons.services.distributing import Distributed


class DistributionViewSet(CouponApiViewSet):
    """Codes of a book given to the members of a pool."""

    queryset = Distribution.objects.all()
    pagination_class = Keyset
    access = {
        "distribute": Permission.PROMOTIONS_WRITE,
        "list": Permission.INTERNALS_READ,
        "retrieve": Permission.INTERNALS_READ,
        "undo": Permission.PROMOTIONS_WRITE,
    }
    bodies = {"distribute": DistributeIn, "undo": ReasonIn}
    refusals = {
        "distribute": ("book_exhausted", "book_inactive", "coupon_expired", "plan_changed"),
        "undo": ("coupon_redeemed", "coupon_locked", "coupon_expired"),
    }

    @extend_schema(
        summary="Give codes of a book to a pool",
        description="All or nothing. `random`: each coupon to a random member who has room. "
        "`equal`: the same share for each; `count` is divided by those below their limit, rounded "
        "down, who has less room than a share is skipped, what is left over stays in the book. A "
        "dry run (200) tells the plan: send its `seed` and `plan` back to have exactly that.",
        responses={200: DistributedOut, 201: DistributedOut},
        examples=[
            OpenApiExample(
                "A dry run",
                {"book_id": 3, "mode": "equal", "coupons_per_user": 2, "dry_run": True},
                request_only=True,
            ),
            OpenApiExample(
                "Done as planned",
                {
                    "book_id": 3,
                    "mode": "equal",
                    "coupons_per_user": 2,
                    "seed": 4711,
                    "expect_plan": "5f3c9f6e7f0a4b52",
                },
                request_only=True,
            ),
        ],
    )
    def distribute(self, request: Request, pk: int) -> Response:
        body = self.body()
        done = distributing.distribute(pk, **body)
        return self.answer(
            DistributedOut, self._told(done), status=201 if done.distribution else 200
        )

    def _told(self, done: Distributed) -> dict[str, Any]:
        plan = done.plan
        return {
            "dry_run": done.distribution is None,
            "distribution_id": done.distribution.pk if done.distribution else None,
            "plan": plan.hash,
            "book_id": plan.book_id,
            "pool_id": plan.pool_id,
            "mode": plan.mode,
            "seed": plan.seed,
            "available": plan.available,
            "count": plan.count,
            "remainder": plan.sharing.remainder,
            "skipped": plan.sharing.skipped,
            "assignments": [
                {"user_id": user, "count": share, "codes": self._codes(done, user)}
                for user, share in plan.sharing.shares.items()
            ],
        }

    def _codes(self, done: Distributed, user_id: int) -> list[str]:
        given = done.codes.get(user_id, [])
        return given if self.sees_codes else [codes.masked(code) for code in given]

    @extend_schema(
        summary="Distributions of a book, newest first", responses=DistributionOut(many=True)
    )
    def list(self, request: Request, pk: int) -> Response:
        selectors.book_by_id(pk)
        return self.page(DistributionOut, selectors.distributions_of(pk))

    @extend_schema(summary="One distribution", responses=DistributionOut)
    def retrieve(self, request: Request, pk: int, distribution_id: int) -> Response:
        return self.answer(DistributionOut, self._one(pk, distribution_id))

    @extend_schema(
        summary="Take a distribution back",
        description="While none of its coupons is locked or was used.",
        responses={200: DistributionOut},
    )
    def undo(self, request: Request, pk: int, distribution_id: int) -> Response:
        self._one(pk, distribution_id)
        undone = distributing.undo(distribution_id, **self.body())
        return self.answer(DistributionOut, undone)

    def _one(self, book_id: int, distribution_id: int) -> Distribution:
        found = selectors.distribution_by_id(distribution_id)
        if found.book_id != book_id:
            raise DistributionNotFound()
        return found
