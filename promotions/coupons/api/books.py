"""Books, their codes and batches."""

import json
from collections.abc import Iterator
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Permission
from promopulse.lib.pagination import Keyset
from promotions.api.serializers import ReasonIn
from promotions.coupons import codes, reading, selectors
from promotions.coupons.api.base import CouponApiViewSet
from promotions.coupons.api.serializers import (
    BatchOut,
    BookCouponsQuery,
    BookIn,
    BookOut,
    BooksQuery,
    CouponOut,
    GenerateIn,
    UploadFileIn,
    UploadIn,
    UploadOut,
)
from promotions.coupons.models import CodeBatch, CouponBook
from promotions.coupons.services import batches, books, exporting, uploading
from promotions.coupons.services.uploading import Upload


class BookViewSet(CouponApiViewSet):
    """Pools of codes with the rules they share."""

    queryset = CouponBook.objects.all()
    access = {
        "list": Permission.INTERNALS_READ,
        "retrieve": Permission.INTERNALS_READ,
        "create": Permission.PROMOTIONS_WRITE,
        "partial_update": Permission.PROMOTIONS_WRITE,
    }
    bodies = {"create": BookIn, "partial_update": BookIn}

    def _shown(self, shown: list[CouponBook]) -> Any:
        context = {
            **self.get_serializer_context(),
            "counts": selectors.counts_of(shown, at=self.at),
        }
        return BookOut(shown, many=True, context=context).data

    @extend_schema(
        summary="Books, newest first, with counts per state",
        parameters=[BooksQuery],
        responses=BookOut(many=True),
    )
    def list(self, request: Request) -> Response:
        filters = {
            name: value for name, value in self.query(BooksQuery).items() if value is not None
        }
        rows = self.paginate_queryset(selectors.books().filter(**filters))
        return self.get_paginated_response(self._shown(list(rows or [])))

    @extend_schema(
        summary="Make a book",
        responses={201: BookOut},
        examples=[
            OpenApiExample(
                "Five for everybody",
                {
                    "name": "Summer Sale 2026",
                    "expiration_date": "2026-09-01T00:00:00Z",
                    "max_assignments_per_user": 5,
                    "code_pattern": "SUMMER-{}",
                },
                request_only=True,
            ),
            OpenApiExample(
                "One code for all",
                {
                    "name": "SUMMER20",
                    "requires_assignment": False,
                    "allow_multi_redemption": True,
                },
                request_only=True,
            ),
        ],
    )
    def create(self, request: Request) -> Response:
        return Response(self._shown([books.create_book(**self.body())])[0], status=201)

    @extend_schema(summary="One book, with counts per state", responses=BookOut)
    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(self._shown([selectors.book_by_id(pk)])[0])

    @extend_schema(
        summary="Change a book",
        description="Limits go no lower than what somebody has; an end that has passed stays.",
        responses=BookOut,
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        book = books.update_book(pk, changes=self.body(partial=True))
        return Response(self._shown([book])[0])


class BookCouponViewSet(CouponApiViewSet):
    """The coupons of a book."""

    pagination_class = Keyset
    queryset = CouponBook.objects.all()
    access = {"list": Permission.INTERNALS_READ, "export": Permission.INTERNALS_READ}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Whoever asks for CSV by `Accept` gets the export, whose kind is in the query."""
        return super().perform_content_negotiation(request, force or self.action == "export")

    @extend_schema(
        summary="Coupons of a book, newest first",
        parameters=[BookCouponsQuery],
        responses=CouponOut(many=True),
    )
    def list(self, request: Request, pk: int) -> Response:
        book = selectors.book_by_id(pk)
        found = selectors.coupons_of(book, at=self.at, **self.query(BookCouponsQuery))
        return self.page(CouponOut, found.select_related("book"))

    @extend_schema(
        summary="All coupons of a book as a stream",
        description="CSV, or one JSON object a line. Codes are masked for those who may not redeem "
        "them.",
        parameters=[
            BookCouponsQuery,
            OpenApiParameter("as", str, enum=["csv", "ndjson"], default="csv"),
        ],
        responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/x-ndjson"): str},
    )
    def export(self, request: Request, pk: int) -> StreamingHttpResponse:
        book = selectors.book_by_id(pk)
        kind = request.query_params.get("as", "csv")
        if kind not in ("csv", "ndjson"):
            raise ValidationError({"as": "csv or ndjson is expected."})
        rows = exporting.rows(book, **self.query(BookCouponsQuery))
        if not self.sees_codes:
            rows = (row | {"code": codes.masked(row["code"])} for row in rows)
        if kind == "csv":
            answer = StreamingHttpResponse(exporting.as_csv(rows), content_type="text/csv")
        else:
            answer = StreamingHttpResponse(_lines(rows), content_type="application/x-ndjson")
        answer["Content-Disposition"] = f'attachment; filename="book-{pk}.{kind}"'
        return answer


def _lines(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row) + "\n"


class CodeViewSet(CouponApiViewSet):
    """Codes made and brought: every run is a batch."""

    queryset = CodeBatch.objects.all()
    pagination_class = Keyset
    access = {
        "generate": Permission.PROMOTIONS_WRITE,
        "upload": Permission.PROMOTIONS_WRITE,
        "upload_file": Permission.PROMOTIONS_WRITE,
        "batches": Permission.INTERNALS_READ,
        "batch": Permission.INTERNALS_READ,
        "cancel": Permission.PROMOTIONS_WRITE,
    }
    bodies = {
        "generate": GenerateIn,
        "upload": UploadIn,
        "upload_file": UploadFileIn,
        "cancel": ReasonIn,
    }
    refusals = {
        "generate": ("capacity_exceeded", "coupon_expired"),
        "upload": ("coupon_not_available", "coupon_expired"),
        "upload_file": ("coupon_not_available", "coupon_expired"),
    }

    @extend_schema(
        summary="Generate codes",
        description="Up to 10,000 are there with the answer (201); more are made by a job (202): "
        "follow the batch, or cancel it. Refused above one percent of the possible codes.",
        responses={201: BatchOut, 202: BatchOut},
        examples=[
            OpenApiExample("Ten thousand", {"count": 10_000}, request_only=True),
            OpenApiExample(
                "With a shape",
                {"count": 500, "pattern": "SUMMER-{}-26", "length": 6},
                request_only=True,
            ),
        ],
    )
    def generate(self, request: Request, pk: int) -> Response:
        batch = batches.generate(pk, **self.body())
        is_done = batch.status == CodeBatch.Status.DONE
        return self.answer(BatchOut, batch, status=201 if is_done else 202)

    @extend_schema(
        summary="Bring codes",
        description="A code that exists in any book is a duplicate, however it is written.",
        responses={201: UploadOut, 200: UploadOut},
        examples=[
            OpenApiExample(
                "Two", {"codes": ["GOLD-1", "GOLD-2"], "on_duplicate": "skip"}, request_only=True
            )
        ],
    )
    def upload(self, request: Request, pk: int) -> Response:
        return self._uploaded(pk, self.body())

    @extend_schema(
        summary="Bring codes as a CSV file",
        request={"multipart/form-data": UploadFileIn},
        responses={201: UploadOut, 200: UploadOut},
    )
    def upload_file(self, request: Request, pk: int) -> Response:
        selectors.book_by_id(pk)
        body = self.body()
        return self._uploaded(pk, body | {"codes": reading.codes_of(body.pop("file").read())})

    def _uploaded(self, pk: int, body: dict[str, Any]) -> Response:
        dry_run = body.get("dry_run", False)
        done = uploading.upload(pk, body.pop("codes"), **body)
        return self.answer(UploadOut, _told(done, dry_run), status=200 if dry_run else 201)

    @extend_schema(summary="Batches of a book, newest first", responses=BatchOut(many=True))
    def batches(self, request: Request, pk: int) -> Response:
        selectors.book_by_id(pk)
        return self.page(BatchOut, selectors.batches_of(pk))

    @extend_schema(summary="How far a batch is", responses=BatchOut)
    def batch(self, request: Request, pk: int, batch_id: int) -> Response:
        return self.answer(BatchOut, selectors.batch_by_id(pk, batch_id))

    @extend_schema(summary="Stop a batch; the codes that are made stay", responses={200: BatchOut})
    def cancel(self, request: Request, pk: int, batch_id: int) -> Response:
        return self.answer(BatchOut, batches.cancel(pk, batch_id, **self.body()))


def _told(done: Upload, dry_run: bool) -> dict[str, Any]:
    counts = done.counts
    return {
        "dry_run": dry_run,
        "batch_id": done.batch.pk if done.batch else None,
        "created": counts[uploading.CREATED],
        "duplicates": counts[uploading.DUPLICATE],
        "invalid": counts[uploading.INVALID],
        "rows": done.verdicts,
    }
