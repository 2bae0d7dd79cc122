"""The base of every API view: access by table, idempotent POSTs, own things only."""

from functools import partial
from typing import Any

from django.http import HttpResponse
from rest_framework.exceptions import ParseError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts import idempotency
from accounts.principals import client_of
from accounts.roles import Permission, Reach
from promopulse.lib.errors import NotFound


class ApiMixin:
    """`access` maps actions (viewsets) or methods to a Permission; `idempotent` may say no."""

    access: Permission | dict[str, Permission]
    idempotent = True

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        key = request.headers.get(idempotency.HEADER)
        if key is not None and request.method == "POST" and self.idempotent:
            if not idempotency.KEY.fullmatch(key):
                raise ParseError("An Idempotency-Key has 1 to 255 printable ASCII characters.")
            # DRF looks the handler up after this: it finds the one that runs once.
            self.post = partial(self._once, key, self.post)  # type: ignore[attr-defined,has-type]

    def _once(
        self, key: str, handler: Any, request: Request, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        shown: list[Response] = []

        def act() -> HttpResponse:
            response = handler(request, *args, **kwargs)
            shown.append(response)
            body = b"" if response.data is None else JSONRenderer().render(response.data)
            return HttpResponse(
                body,
                status=response.status_code,
                content_type="application/json",
                headers=dict(response.items()),
            )

        # Read before anything parses it: the bytes as sent are what a repeat must match.
        body = request._request.body
        stored = idempotency.once(request._request, client_of(request.user), key, body, act)
        wants_page = request.accepted_renderer.format == "api"
        return shown[0] if shown and wants_page and stored.status_code < 400 else stored

    @property
    def own_only(self) -> bool:
        """Whether the caller may see and touch only what is their own."""
        request: Request = self.request  # type: ignore[attr-defined]
        return getattr(request, "reach", Reach.NONE) is not Reach.ALL

    def must_be_own(self, user_id: int) -> None:
        """Raises NotFound where somebody reaches for another person's things."""
        if self.own_only and user_id != self.request.user.pk:  # type: ignore[attr-defined]
            raise NotFound()


class ApiView(ApiMixin, APIView):
    """A single route."""


class ApiViewSet(ApiMixin, GenericViewSet):  # type: ignore[type-arg]
    """The routes of one resource."""

    def answer(self, serializer_class: Any, obj: Any, status: int = 200) -> Response:
        """An object in its answer's shape."""
        context = self.get_serializer_context()
        return Response(serializer_class(obj, context=context).data, status=status)

    def page(self, serializer_class: Any, queryset: Any) -> Response:
        """One page of a queryset."""
        rows = self.paginate_queryset(queryset)
        context = self.get_serializer_context()
        return self.get_paginated_response(serializer_class(rows, many=True, context=context).data)

    def body(self, serializer_class: Any, **kwargs: Any) -> dict[str, Any]:
        """The validated body of this request."""
        serializer = serializer_class(
            data=self.request.data, context=self.get_serializer_context(), **kwargs
        )
        serializer.is_valid(raise_exception=True)
        data: dict[str, Any] = serializer.validated_data
        return data
