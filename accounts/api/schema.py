"""What every operation's OpenAPI entry has: problem documents, Idempotency-Key, security."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

from accounts.api.permissions import permission_for
from accounts.roles import RULES, Permission
from promopulse.lib.errors import REASONS

ProblemSchema = inline_serializer(
    "Problem",
    {
        "type": serializers.CharField(help_text="A page that explains the code."),
        "title": serializers.CharField(),
        "status": serializers.IntegerField(),
        "detail": serializers.CharField(),
        "instance": serializers.CharField(),
        "code": serializers.ChoiceField(choices=sorted(REASONS)),
        "params": serializers.DictField(help_text="The numbers of the refusal."),
        "errors": inline_serializer(
            "ProblemError",
            {
                "pointer": serializers.CharField(),
                "code": serializers.CharField(),
                "detail": serializers.CharField(),
            },
            many=True,
        ),
        "request_id": serializers.CharField(),
    },
)

STATUS_WORDS = {
    400: "Malformed JSON or header.",
    401: "No valid credentials.",
    403: "Not allowed for this role or key.",
    404: "Not found, or not yours.",
    405: "The route does not take this method.",
    409: "State conflict, duplicate or concurrency.",
    413: "Body too large.",
    415: "Content type not supported.",
    422: "Invalid input or a business rule.",
    429: "Over a rate limit; see Retry-After.",
    503: "A service is away; see Retry-After.",
}


def problem_response(status: int) -> dict[str, Any]:
    """The raw OpenAPI response of a problem, for routes that are described by hand."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": STATUS_WORDS[status],
        "content": {"application/problem+json": {"schema": schema}},
    }


class ApiSchema(AutoSchema):
    """drf-spectacular's schema with the parts that every operation of this API shares."""

    def _permission(self) -> Permission:
        return permission_for(self.view, self.method)

    def get_auth(self) -> list[dict[str, Any]]:
        return [{}] if RULES[self._permission()].anonymous else super().get_auth()

    def get_override_parameters(self) -> list[Any]:
        parameters = list(super().get_override_parameters())
        if self.method == "POST" and getattr(self.view, "idempotent", False):
            parameters.append(
                OpenApiParameter(
                    "Idempotency-Key",
                    str,
                    OpenApiParameter.HEADER,
                    description="1 to 255 printable characters. A repeat with the same key and "
                    "body gets the first answer again, with `Idempotent-Replayed: true`.",
                )
            )
        return parameters

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        for status in self._problem_statuses():
            bodies.setdefault(
                str(status),
                self._get_response_for_code(
                    OpenApiResponse(ProblemSchema, STATUS_WORDS[status]),
                    str(status),
                    media_types=["application/problem+json"],
                ),
            )
        return bodies

    def _problem_statuses(self) -> list[int]:
        statuses = {503, 400}
        if not RULES[self._permission()].anonymous:
            statuses |= {401, 403}
        if "{" in self.path:
            statuses.add(404)
        if self.method in {"POST", "PUT", "PATCH"}:
            statuses |= {409, 413, 415, 422}
        elif self.method == "DELETE":
            statuses.add(409)
        elif self.get_filter_backends() or not self.path.endswith("}"):
            statuses.add(422)
        if getattr(self.view, "throttle_classes", None):
            statuses.add(429)
        return sorted(statuses)


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.api.authentication.BearerAuthentication"
    name = "Bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.api.authentication.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Authorization: Api-Key pp_...`",
        }


class BrowserScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.api.authentication.BrowserAuthentication"
    name = "Session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
