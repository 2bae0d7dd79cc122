"""users, customers and auth/admin/users: one identity, three doors."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.api.base import ApiViewSet
from accounts.api.serializers import (
    CustomerIn,
    CustomerQuery,
    EmailQuery,
    UserIn,
    UserOut,
    UserPatchIn,
    UserQuery,
)
from accounts.principals import caller_of
from accounts.roles import Permission, Role
from accounts.services import users

_MASKED = OpenApiExample(
    "A user, as staff sees them",
    {
        "id": 7,
        "name": "Alice Adams",
        "full_name": "Alice Adams",
        "email": "a***e@e***.com",
        "phone": "***78",
        "role": "customer",
        "source_id": "shop:4711",
        "is_active": True,
        "created_at": "2026-06-01T08:00:00Z",
        "erased_at": None,
    },
    response_only=True,
)


class UserViewSet(ApiViewSet):
    """People. E-mail and phone are masked for everybody but admins and the person."""

    access = {
        "list": Permission.PEOPLE,
        "create": Permission.PEOPLE,
        "by_email": Permission.PEOPLE,
        "retrieve": Permission.PROFILE,
        "partial_update": Permission.PROFILE,
    }
    bodies = {"create": UserIn, "partial_update": UserPatchIn}
    refusals = {
        "create": ("email_taken",),
        "partial_update": ("email_taken",),
        "by_email": ("not_found",),
    }

    @extend_schema(
        summary="Users, newest first", parameters=[UserQuery], responses=UserOut(many=True)
    )
    def list(self, request: Request) -> Response:
        return self.page(UserOut, selectors.people(**self.query(UserQuery)))

    @extend_schema(
        summary="Make a user",
        description="A `role` other than customer and a `password` are the admin's to give.",
        responses={201: UserOut},
        examples=[
            OpenApiExample(
                "A customer of a shop",
                {
                    "first_name": "Alice",
                    "last_name": "Adams",
                    "email": "alice@example.com",
                    "phone": "+49 151 2345678",
                    "source_id": "shop:4711",
                },
                request_only=True,
            ),
            _MASKED,
        ],
    )
    def create(self, request: Request) -> Response:
        user = users.create_user(by=caller_of(request.user), **self.body())
        return self.answer(UserOut, user, status=201)

    @extend_schema(summary="One user", responses=UserOut, examples=[_MASKED])
    def retrieve(self, request: Request, pk: int) -> Response:
        self.must_be_own(pk)
        return self.answer(UserOut, selectors.user_by_id(pk))

    @extend_schema(
        summary="Change a user",
        description=(
            "People change their own name, e-mail and phone; staff those of customers, e-mail "
            "apart; everything else is the admin's."
        ),
        responses=UserOut,
        examples=[
            OpenApiExample("A new phone", {"phone": "+49 151 7654321"}, request_only=True),
            _MASKED,
        ],
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        self.must_be_own(pk)
        user = users.update_user(pk, by=caller_of(request.user), **self.body())
        return self.answer(UserOut, user)

    @extend_schema(
        summary="Find a user by e-mail",
        description="The whole address, in any letter case.",
        parameters=[EmailQuery],
        responses=UserOut,
        examples=[_MASKED],
    )
    def by_email(self, request: Request) -> Response:
        return self.answer(UserOut, selectors.user_by_email(self.query(EmailQuery)["email"]))


class CustomerViewSet(ApiViewSet):
    """Users whose role is customer."""

    access = {
        "list": Permission.PEOPLE,
        "create": Permission.PEOPLE,
        "retrieve": Permission.PROFILE,
    }
    bodies = {"create": CustomerIn}
    refusals = {"create": ("email_taken",)}

    @extend_schema(
        summary="Customers, newest first",
        parameters=[CustomerQuery],
        responses=UserOut(many=True),
    )
    def list(self, request: Request) -> Response:
        return self.page(UserOut, selectors.people(role=Role.CUSTOMER, **self.query(CustomerQuery)))

    @extend_schema(
        summary="Make a customer",
        responses={201: UserOut},
        examples=[
            OpenApiExample(
                "A customer",
                {"name": "Bob Brown", "email": "bob@example.com"},
                request_only=True,
            ),
            _MASKED,
        ],
    )
    def create(self, request: Request) -> Response:
        user = users.create_user(by=caller_of(request.user), **self.body())
        return self.answer(UserOut, user, status=201)

    @extend_schema(summary="One customer", responses=UserOut, examples=[_MASKED])
    def retrieve(self, request: Request, pk: int) -> Response:
        self.must_be_own(pk)
        return self.answer(UserOut, selectors.user_by_id(pk, role=Role.CUSTOMER))


class AdminUserViewSet(ApiViewSet):
    """The admin's list of users, nothing masked."""

    access = Permission.ADMINISTER

    @extend_schema(
        summary="Users as the admin sees them",
        parameters=[UserQuery],
        responses=UserOut(many=True),
    )
    def list(self, request: Request) -> Response:
        return self.page(UserOut, selectors.people(**self.query(UserQuery)))
