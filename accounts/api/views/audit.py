"""audit: who changed what."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.api.base import ApiViewSet
from accounts.api.serializers import AuditEntryOut, AuditQuery
from accounts.roles import Permission
from promopulse.lib.pagination import Keyset


class AuditViewSet(ApiViewSet):
    """The audit trail: append-only; personal fields appear by name, never by value."""

    pagination_class = Keyset
    access = Permission.AUDIT_READ

    @extend_schema(
        summary="Audit entries, newest first",
        parameters=[AuditQuery],
        responses=AuditEntryOut(many=True),
        examples=[
            OpenApiExample(
                "A rename",
                {
                    "id": 91,
                    "at": "2026-06-01T08:00:00Z",
                    "actor_user_id": 2,
                    "actor_api_key_id": None,
                    "via": "api",
                    "action": "pool.update",
                    "object_type": "pool",
                    "object_id": 2,
                    "before": {"name": "Beta"},
                    "after": {"name": "Beta Testers"},
                    "reason": "",
                    "request_id": "3f0c...",
                },
                response_only=True,
            )
        ],
    )
    def list(self, request: Request) -> Response:
        return self.page(AuditEntryOut, selectors.audit_entries(**self.query(AuditQuery)))
