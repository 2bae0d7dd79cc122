"""auth/api-keys: what services log in with."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import keys, selectors
from accounts.api.base import ApiViewSet
from accounts.api.serializers import ApiKeyIn, ApiKeyOut, NewApiKeyOut
from accounts.roles import Permission


class ApiKeyViewSet(ApiViewSet):
    """Keys of services. A key's text is shown once, when it is made."""

    idempotent = False  # its answer holds a secret that is not kept
    access = Permission.ADMINISTER
    bodies = {"create": ApiKeyIn}

    @extend_schema(summary="API keys, newest first", responses=ApiKeyOut(many=True))
    def list(self, request: Request) -> Response:
        return self.page(ApiKeyOut, selectors.api_keys())

    @extend_schema(
        summary="Make an API key",
        description="`key` is in this answer and never again.",
        responses={201: NewApiKeyOut},
        examples=[
            OpenApiExample(
                "A shop", {"name": "Shop", "scopes": ["events:write", "read"]}, request_only=True
            ),
            OpenApiExample(
                "The new key",
                {
                    "id": 3,
                    "name": "Shop",
                    "prefix": "x7Kq2mZp91Ab",
                    "scopes": ["events:write", "read"],
                    "created_by_id": 1,
                    "created_at": "2026-06-01T08:00:00Z",
                    "last_used_at": None,
                    "revoked_at": None,
                    "key": "pp_x7Kq2mZp91Ab_...",
                },
                response_only=True,
            ),
        ],
    )
    def create(self, request: Request) -> Response:
        key, text = keys.create_key(**self.body())
        key.key = text  # type: ignore[attr-defined]
        return self.answer(NewApiKeyOut, key, status=201)

    @extend_schema(
        summary="Revoke an API key",
        description="The next request that shows it is refused.",
        responses={204: None},
    )
    def destroy(self, request: Request, pk: int) -> Response:
        keys.revoke_key(pk)
        return Response(status=204)
