"""What every operation's OpenAPI entry has: problem documents, Idempotency-Key, security."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers

from accounts.api.permissions import permission_for
from accounts.roles import RULES, Permission, Rule
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
    410: "Expired.",
    413: "Body too large.",
    415: "Content type not supported.",
    422: "Invalid input or a business rule.",
    429: "Over a rate limit; see Retry-After.",
    503: "A service is away; see Retry-After.",
}
# What any operation answers to a bad day; the rest follows from its view.
_ALWAYS = ("malformed", "unavailable")
_WITH_BODY = ("too_large", "unsupported_media_type", "validation_error")
_PROBLEM_JSON = "application/problem+json"


def problem_response(status: int, *codes: str) -> dict[str, Any]:
    """The raw OpenAPI response of a problem, with an example for each of these codes."""
    content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if codes:
        content["examples"] = {
            code: {"$ref": f"#/components/examples/{code}"} for code in sorted(codes)
        }
    return {"description": STATUS_WORDS[status], "content": {_PROBLEM_JSON: content}}


def add_problems(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """Postprocessing hook of drf-spectacular: one example of each problem, for all operations."""
    result["components"]["examples"] = {
        code: {"summary": REASONS[code].title, "value": _example(code)} for code in sorted(REASONS)
    }
    return result


def _example(code: str) -> dict[str, Any]:
    reason = REASONS[code]
    errors = []
    if code == "validation_error":
        errors = [{"pointer": "/emial", "code": "unknown_field", "detail": "Unknown field."}]
    return {
        "type": f"/problems/{code}",
        "title": reason.title,
        "status": reason.status,
        "detail": reason.sentence,
        "instance": "/api/v1/...",
        "code": code,
        "params": {},
        "errors": errors,
        "request_id": "3f0c8a52d9b74c1e8f6a7b2c9d0e1f23",
    }


class ApiSchema(AutoSchema):
    """drf-spectacular's schema with the parts that every operation of this API shares.

    A view's `refusals` maps an action to the codes its rules refuse with; the rest is known here.
    """

    def _permission(self) -> Permission:
        return permission_for(self.view, self.method)

    def get_auth(self) -> list[dict[str, Any]]:
        rule = RULES[self._permission()]
        if rule.anonymous:
            return [{}]
        schemes: list[dict[str, Any]] = super().get_auth()
        return [scheme for scheme in schemes if rule.scopes or "ApiKey" not in scheme]

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is not None:
            words = [operation.get("description", ""), _allowed(RULES[self._permission()])]
            operation["description"] = "\n\n".join(filter(None, words))
        return operation

    def get_override_parameters(self) -> list[Any]:
        parameters = list(super().get_override_parameters())
        if self._takes_key():
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

    def _takes_key(self) -> bool:
        return self.method == "POST" and bool(getattr(self.view, "idempotent", False))

    def _has_body(self) -> bool:
        return self.method in {"POST", "PUT", "PATCH"} or self._deletes_by_body()

    def _deletes_by_body(self) -> bool:
        bodies = getattr(self.view, "bodies", {})
        return self.method == "DELETE" and getattr(self.view, "action", None) in bodies

    def _get_request_body(self, direction: Any = "request") -> Any:
        if not self._deletes_by_body():
            return super()._get_request_body(direction)
        # The base class takes a DELETE for one without a body.
        self.method = "POST"
        try:
            return super()._get_request_body(direction)
        finally:
            self.method = "DELETE"

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        # Registers the component that the raw responses refer to.
        self._get_response_for_code(OpenApiResponse(ProblemSchema), "400")
        by_status: dict[int, set[str]] = {}
        for code in self._codes():
            by_status.setdefault(REASONS[code].status, set()).add(code)
        for status, codes in sorted(by_status.items()):
            bodies.setdefault(str(status), problem_response(status, *codes))
        return bodies

    def _codes(self) -> set[str]:
        codes = set(_ALWAYS)
        if not RULES[self._permission()].anonymous:
            codes |= {"not_authenticated", "permission_denied"}
        if "{" in self.path:
            codes.add("not_found")
        if self._has_body():
            codes |= {*_WITH_BODY, "version_conflict"}
        elif self.method == "DELETE":
            codes.add("version_conflict")
        else:
            codes.add("validation_error")
        if self._takes_key():
            codes |= {"idempotency_in_progress", "idempotency_key_reused"}
        if getattr(self.view, "throttle_classes", None):
            codes.add("rate_limited")
        refusals = getattr(self.view, "refusals", {})
        return codes | set(refusals.get(getattr(self.view, "action", None), ()))


def _allowed(rule: Rule) -> str:
    """Who may call an operation, in words."""
    if rule.anonymous:
        return "Open to everybody."
    people = sorted(rule.roles)
    people += [f"{role} (their own)" for role in sorted(rule.own)]
    scopes = [f"API key with `{scope}`" for scope in sorted(rule.scopes)]
    return f"For: {', '.join(people + scopes)}."


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
