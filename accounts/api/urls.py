"""The routes of this app under /api/v1/."""

from django.urls import path

from accounts.api.views.audit import AuditViewSet
from accounts.api.views.keys import ApiKeyViewSet
from accounts.api.views.pools import PoolViewSet
from accounts.api.views.sessions import (
    AccountViewSet,
    LoginViewSet,
    PasswordViewSet,
    RegisterViewSet,
    SessionViewSet,
)
from accounts.api.views.users import AdminUserViewSet, CustomerViewSet, UserViewSet

urlpatterns = [
    path("auth/register", RegisterViewSet.as_view({"post": "register"})),
    path("auth/login", LoginViewSet.as_view({"post": "login"})),
    path("auth/refresh", SessionViewSet.as_view({"post": "refresh"})),
    path("auth/logout", SessionViewSet.as_view({"post": "logout"})),
    path("auth/me", AccountViewSet.as_view({"get": "me"})),
    path("auth/change-password", PasswordViewSet.as_view({"post": "change_password"})),
    path("auth/admin/users", AdminUserViewSet.as_view({"get": "list"})),
    path("auth/api-keys", ApiKeyViewSet.as_view({"get": "list", "post": "create"})),
    path("auth/api-keys/<int:pk>", ApiKeyViewSet.as_view({"delete": "destroy"})),
    path("users", UserViewSet.as_view({"get": "list", "post": "create"})),
    path("users/<int:pk>", UserViewSet.as_view({"get": "retrieve", "patch": "partial_update"})),
    path("users/search/by-email", UserViewSet.as_view({"get": "by_email"})),
    path("customers", CustomerViewSet.as_view({"get": "list", "post": "create"})),
    path("customers/<int:pk>", CustomerViewSet.as_view({"get": "retrieve"})),
    path("pools", PoolViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "pools/<int:pk>",
        PoolViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path(
        "pools/<int:pk>/users",
        PoolViewSet.as_view({"get": "users", "post": "add_users", "delete": "remove_users"}),
    ),
    path("audit", AuditViewSet.as_view({"get": "list"})),
]
