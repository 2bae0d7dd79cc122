"""The routes of this app under /api/v1/."""

from django.urls import path

from promotions.coupons.api.books import BookCouponViewSet, BookViewSet, CodeViewSet
from promotions.coupons.api.coupons import CouponViewSet, UserCouponViewSet
from promotions.coupons.api.distributions import DistributionViewSet

_BOOK = "books/<int:pk>"
_BATCH = f"{_BOOK}/batches/<int:batch_id>"
_DISTRIBUTION = f"{_BOOK}/distributions/<int:distribution_id>"

urlpatterns = [
    path("books", BookViewSet.as_view({"get": "list", "post": "create"})),
    path(_BOOK, BookViewSet.as_view({"get": "retrieve", "patch": "partial_update"})),
    path(f"{_BOOK}/codes", CodeViewSet.as_view({"post": "upload"})),
    path(f"{_BOOK}/codes/upload", CodeViewSet.as_view({"post": "upload_file"})),
    path(f"{_BOOK}/codes/generate", CodeViewSet.as_view({"post": "generate"})),
    path(f"{_BOOK}/codes/export", BookCouponViewSet.as_view({"get": "export"})),
    path(f"{_BOOK}/batches", CodeViewSet.as_view({"get": "batches"})),
    path(_BATCH, CodeViewSet.as_view({"get": "batch"})),
    path(f"{_BATCH}/cancel", CodeViewSet.as_view({"post": "cancel"})),
    path(f"{_BOOK}/coupons", BookCouponViewSet.as_view({"get": "list"})),
    path(f"{_BOOK}/distributions", DistributionViewSet.as_view({"get": "list"})),
    path(_DISTRIBUTION, DistributionViewSet.as_view({"get": "retrieve"})),
    path(f"{_DISTRIBUTION}/undo", DistributionViewSet.as_view({"post": "undo"})),
    path("pools/<int:pk>/distribute", DistributionViewSet.as_view({"post": "distribute"})),
    path("coupons/assign", CouponViewSet.as_view({"post": "assign"})),
    path("coupons/redemptions/<int:pk>/reverse", CouponViewSet.as_view({"post": "reverse"})),
    path("coupons/assign/<str:code>", CouponViewSet.as_view({"post": "assign_code"})),
    path("coupons/lock/<str:code>", CouponViewSet.as_view({"post": "lock"})),
    path("coupons/unlock/<str:code>", CouponViewSet.as_view({"post": "unlock"})),
    path("coupons/redeem/<str:code>", CouponViewSet.as_view({"post": "redeem"})),
    path("coupons/<str:code>", CouponViewSet.as_view({"get": "retrieve"})),
    path("coupons/<str:code>/history", CouponViewSet.as_view({"get": "history"})),
    path("users/me/coupons", UserCouponViewSet.as_view({"get": "mine"})),
    path("users/<int:pk>/coupons", UserCouponViewSet.as_view({"get": "list"})),
]
