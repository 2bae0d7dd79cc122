"""The base of every API view: access by table, idempotent POSTs, own things only."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException, ParseError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts import idempotency
from accounts.principals import client_of
from accounts.roles import Permission, Reach
from promopulse.lib import context, limits
from promopulse.lib.context import Actor
from promopulse.lib.errors import DomainError, NotFound
from promopulse.lib.fields import ReusableMixin


class ApiView(APIView):
    """A single route, or what the routes of a resource share.

    `access` maps actions (viewsets) or methods to a Permission; `idempotent` may say no.
    """

    access: Permission | dict[str, Permission]
    idempotent = True

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        key = self._idempotency_key(request)
        if key is not None:
            # Before a form parser eats the stream: a repeat must match the bytes as sent.
            _ = request._request.body
        super().initial(request, *args, **kwargs)
        if not request.user.is_authenticated:
            context.actor.set(Actor(via="api"))
        if key is not None:
            if not idempotency.KEY.fullmatch(key):
                raise ParseError("An Idempotency-Key has 1 to 255 printable ASCII characters.")
            # DRF looks the handler up after this: it finds the one that runs once.
            self.post = partial(self._once, key, self.post)  # type: ignore[has-type]

    def _idempotency_key(self, request: Request) -> str | None:
        takes_one = request.method == "POST" and self.idempotent
        return request.headers.get(idempotency.HEADER) if takes_one else None

    def _once(
        self, key: str, handler: Any, request: Request, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        shown: list[Response] = []

        def act() -> HttpResponse:
            response = handler(request, *args, **kwargs)
            shown.append(response)
            answer = HttpResponse(
                _json(response.data), status=response.status_code, content_type="application/json"
            )
            for name, value in response.items():
                answer.headers.setdefault(name, value)
            return answer

        claim = idempotency.Claim.of(request._request, client_of(request.user), key)
        answer = self._answered_once(claim, request._request, act)
        if shown and request.accepted_renderer.format == "api":
            answer = shown[0]  # the browsable API's page of it
        answer.headers[idempotency.HEADER] = key
        return answer

    def _answered_once(
        self, claim: idempotency.Claim, request: HttpRequest, act: Callable[[], HttpResponse]
    ) -> HttpResponse:
        return idempotency.once(claim, request, act)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        verdict: limits.Verdict | None = getattr(request, "rate_verdict", None)
        if verdict is not None:
            verdict.write(response)
        return response

    @property
    def own_only(self) -> bool:
        """Whether the caller may see and touch only what is their own."""
        return getattr(self.request, "reach", Reach.NONE) is not Reach.ALL

    @property
    def only_of(self) -> int | None:
        """The one person whose things the caller may see and touch; None for everybody's."""
        return self.request.user.pk if self.own_only else None

    def must_be_own(self, user_id: int) -> None:
        """Raises NotFound where somebody reaches for another person's things."""
        if self.own_only and user_id != self.request.user.pk:
            raise NotFound()

    def query(self, serializer_class: type[BaseSerializer[Any]]) -> dict[str, Any]:
        """The validated query parameters of this request; others are ignored."""
        serializer = serializer_class(data=self.request.query_params)
        serializer.is_valid(raise_exception=True)
        data: dict[str, Any] = serializer.validated_data
        return data


def _refuse(refusal: Exception) -> HttpResponse:
    raise refusal


def _json(data: Any) -> bytes:
    return b"" if data is None else bytes(JSONRenderer().render(data))


class ApiViewSet(ApiView, GenericViewSet):
    """The routes of one resource.

    `bodies` maps an action to the serializer of its body, `refusals` to the codes its rules
    refuse with, for the schema. `one_statement` maps an action whose service notes the `claim` in
    its one statement to the shape of its answer, and what finds the row as it was made.
    """

    filter_backends: Any = ()  # StrictBackend where there is a filterset_class
    bodies: ClassVar[dict[str, type[BaseSerializer[Any]]]] = {}
    refusals: ClassVar[dict[str, tuple[str, ...]]] = {}
    one_statement: ClassVar[dict[str, tuple[type[ReusableMixin], Callable[[int], Any]]]] = {}
    claim: idempotency.Claim | None = None

    def _answered_once(
        self, claim: idempotency.Claim, request: HttpRequest, act: Callable[[], HttpResponse]
    ) -> HttpResponse:
        if self.action not in self.one_statement:
            return super()._answered_once(claim, request, act)
        shape, find = self.one_statement[self.action]
        self.claim = claim
        try:
            answer = act()
        except idempotency.NotOurs:
            then = act
        except (DomainError, APIException) as refusal:
            then = partial(_refuse, refusal)
        else:
            idempotency.keep(claim, answer)
            return answer
        finally:
            self.claim = None
        return idempotency.once(
            claim, request, then, recall=lambda done: _json(shape.show(find(done)))
        )

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        """The body of the present action: for the schema and the browsable API's forms."""
        return self.bodies.get(self.action or "") or self.serializer_class or Serializer

    def get_serializer(self, *args: Any, **kwargs: Any) -> BaseSerializer[Any]:
        """For the browsable API's forms, which start empty: a body's serializer masks nothing."""
        kwargs.pop("instance", None)
        return super().get_serializer(**kwargs)

    def body(
        self, serializer_class: type[BaseSerializer[Any]] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """The validated body of this request, of `bodies` unless another serializer is given."""
        wanted = serializer_class or self.bodies[self.action]
        if issubclass(wanted, ReusableMixin) and not kwargs:
            return wanted.read(self.request.data)
        serializer = wanted(data=self.request.data, context=self.get_serializer_context(), **kwargs)
        serializer.is_valid(raise_exception=True)
        data: dict[str, Any] = serializer.validated_data
        return data

    def answer(self, serializer_class: Any, obj: Any, status: int = 200) -> Response:
        """An object in its answer's shape."""
        if issubclass(serializer_class, ReusableMixin):
            return Response(serializer_class.show(obj), status=status)
        shaped = serializer_class(obj, context=self.get_serializer_context())
        return Response(shaped.data, status=status)

    def page(self, serializer_class: Any, queryset: Any) -> Response:
        """One page of a queryset."""
        rows: Any = self.paginate_queryset(queryset)
        if issubclass(serializer_class, ReusableMixin):
            return self.get_paginated_response([serializer_class.show(row) for row in rows])
        shaped = serializer_class(rows, many=True, context=self.get_serializer_context())
        return self.get_paginated_response(shaped.data)
