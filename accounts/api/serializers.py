"""Shapes of people, sessions, keys, pools and audit entries."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts import pii
from accounts.models import ApiKey, AuditEntry, Pool, User
from accounts.roles import Role, Scope
from promopulse.lib.fields import AwareDateTimeField, IdField, StrictSerializer

MOST_AT_ONCE = 10_000


class PasswordField(serializers.CharField):
    """8 to 128 characters, spaces kept."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            min_length=8, max_length=128, trim_whitespace=False,
            style={"input_type": "password"}, **kwargs,
        )  # fmt: skip


class PhoneField(serializers.RegexField):
    """Digits and what people write between them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(pii.PHONE.pattern, max_length=pii.MAX_PHONE, **kwargs)


class NameMixin(serializers.Serializer[Any]):
    """`name`, or `first_name` and `last_name`, which become the name."""

    name = serializers.CharField(max_length=255, required=False)
    first_name = serializers.CharField(max_length=127, required=False, write_only=True)
    last_name = serializers.CharField(max_length=127, required=False, write_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        parts = [attrs.pop(part) for part in ("first_name", "last_name") if part in attrs]
        if parts and "name" in attrs:
            raise serializers.ValidationError(
                {"name": "Give name, or first_name and last_name."}, code="name_twice"
            )
        if parts:
            attrs["name"] = " ".join(parts)
        return attrs


class RegisterIn(StrictSerializer):
    name = serializers.CharField(max_length=255)
    email = serializers.EmailField(max_length=pii.MAX_EMAIL)
    password = PasswordField()


class LoginIn(StrictSerializer):
    """Any text: what is no e-mail or too short a password is wrong like any other."""

    email = serializers.CharField(max_length=1_000)
    password = serializers.CharField(
        max_length=1_000, trim_whitespace=False, style={"input_type": "password"}
    )


class RefreshIn(StrictSerializer):
    refresh_token = serializers.CharField(max_length=1_000)


class ChangePasswordIn(StrictSerializer):
    current_password = serializers.CharField(
        max_length=1_000, trim_whitespace=False, style={"input_type": "password"}
    )
    new_password = PasswordField()


class CustomerIn(NameMixin, StrictSerializer):
    """A new customer. One known by a source_id may lack an e-mail."""

    email = serializers.EmailField(max_length=pii.MAX_EMAIL, required=False, allow_null=True)
    phone = PhoneField(required=False, allow_null=True)
    source_id = serializers.CharField(max_length=128, required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        missing = {}
        if "name" not in attrs:
            missing["name"] = "This field is required, or first_name and last_name."
        if not attrs.get("email") and not attrs.get("source_id"):
            missing["email"] = "An e-mail or a source_id is required."
        if missing:
            raise serializers.ValidationError(missing, code="required")
        return attrs


class UserIn(CustomerIn):
    """A new user. `role` other than customer and `password` are for admins to give."""

    role = serializers.ChoiceField(choices=Role.choices, required=False)
    password = PasswordField(required=False)


class UserPatchIn(NameMixin, StrictSerializer):
    """What changes; `role`, `password`, `is_active` and another's e-mail are the admin's alone."""

    email = serializers.EmailField(max_length=pii.MAX_EMAIL, required=False, allow_null=True)
    phone = PhoneField(required=False, allow_null=True, allow_blank=True)
    role = serializers.ChoiceField(choices=Role.choices, required=False)
    password = PasswordField(required=False)
    source_id = serializers.CharField(max_length=128, required=False, allow_null=True)
    is_active = serializers.BooleanField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        partial_name = {"first_name", "last_name"} & attrs.keys()
        if len(partial_name) == 1:
            raise serializers.ValidationError(
                {partial_name.pop(): "Give first_name and last_name together."},
                code="name_in_part",
            )
        return super().validate(attrs)


class UserOut(serializers.ModelSerializer[User]):
    """A user. E-mail and phone are masked unless the reader is an admin or the user."""

    full_name = serializers.CharField(source="name")
    email = serializers.SerializerMethodField()
    phone = serializers.SerializerMethodField()
    created_at = AwareDateTimeField()
    erased_at = AwareDateTimeField(allow_null=True)

    class Meta:
        model = User
        fields = (
            "id",
            "name",
            "full_name",
            "email",
            "phone",
            "role",
            "source_id",
            "is_active",
            "created_at",
            "erased_at",
        )
        read_only_fields = fields

    def get_email(self, user: User) -> str | None:
        return user.email if self._may_read(user) else pii.mask_email(user.email)

    def get_phone(self, user: User) -> str | None:
        return user.phone if self._may_read(user) else pii.mask_phone(user.phone)

    def _may_read(self, user: User) -> bool:
        reader = self.context.get("reader") or self.context["request"].user
        return reader.pk == user.pk or getattr(reader, "role", None) == Role.ADMIN


class TokensOut(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    token_type = serializers.CharField(default="bearer")
    expires_in = serializers.IntegerField(help_text="Seconds the access token lives.")


class SessionOut(TokensOut):
    user = UserOut()


class UserQuery(serializers.Serializer[Any]):
    """Filters of a list of users."""

    role = serializers.ChoiceField(choices=Role.choices, required=False)
    is_active = serializers.BooleanField(required=False, allow_null=True, default=None)
    source_id = serializers.CharField(max_length=128, required=False)


class CustomerQuery(serializers.Serializer[Any]):
    """Filters of a list of customers."""

    is_active = serializers.BooleanField(required=False, allow_null=True, default=None)
    source_id = serializers.CharField(max_length=128, required=False)


class EmailQuery(serializers.Serializer[Any]):
    """The whole address; a part of one finds nobody."""

    email = serializers.EmailField(max_length=pii.MAX_EMAIL)


class ApiKeyIn(StrictSerializer):
    name = serializers.CharField(max_length=255)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices),
        min_length=1,
        max_length=len(Scope.choices),
    )


class ApiKeyOut(serializers.ModelSerializer[ApiKey]):
    created_at = AwareDateTimeField()
    last_used_at = AwareDateTimeField(allow_null=True)
    revoked_at = AwareDateTimeField(allow_null=True)

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id",
            "name",
            "prefix",
            "scopes",
            "created_by_id",
            "created_at",
            "last_used_at",
            "revoked_at",
        )
        read_only_fields = fields


class NewApiKeyOut(ApiKeyOut):
    """The answer to making a key: the only one that holds its text."""

    key = serializers.CharField()

    class Meta(ApiKeyOut.Meta):
        fields = (*ApiKeyOut.Meta.fields, "key")
        read_only_fields = fields


class PoolIn(StrictSerializer):
    name = serializers.CharField(max_length=255)
    description = serializers.CharField(max_length=2_000, required=False, allow_blank=True)
    user_ids = serializers.ListField(child=IdField(), required=False, max_length=MOST_AT_ONCE)


class PoolPatchIn(StrictSerializer):
    name = serializers.CharField(max_length=255, required=False)
    description = serializers.CharField(max_length=2_000, required=False, allow_blank=True)


class PoolOut(serializers.ModelSerializer[Pool]):
    created_at = AwareDateTimeField()

    class Meta:
        model = Pool
        fields = ("id", "name", "description", "user_count", "created_at")
        read_only_fields = fields


class PoolUsersIn(StrictSerializer):
    """Users by id, by e-mail or both."""

    user_ids = serializers.ListField(child=IdField(), required=False, max_length=MOST_AT_ONCE)
    emails = serializers.ListField(
        child=serializers.EmailField(max_length=pii.MAX_EMAIL),
        required=False,
        max_length=MOST_AT_ONCE,
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError(
                {"user_ids": "Give user_ids or emails."}, code="required"
            )
        return attrs


@extend_schema_field(
    {"type": "array", "items": {"oneOf": [{"type": "integer"}, {"type": "string"}]}}
)
class _UnknownField(serializers.ReadOnlyField):
    """Ids and e-mails, as sent, that lead to no user."""


class AddedOut(serializers.Serializer[Any]):
    added = serializers.IntegerField()
    already_in = serializers.IntegerField()
    unknown = _UnknownField()
    user_count = serializers.IntegerField(help_text="Users in the pool now.")


class RemovedOut(serializers.Serializer[Any]):
    removed = serializers.IntegerField()
    not_in = serializers.IntegerField()
    unknown = _UnknownField()
    user_count = serializers.IntegerField(help_text="Users in the pool now.")


class AuditEntryOut(serializers.ModelSerializer[AuditEntry]):
    """One change: who, what, from what to what, why, in which request."""

    at = AwareDateTimeField()

    class Meta:
        model = AuditEntry
        fields = (
            "id",
            "at",
            "actor_user_id",
            "actor_api_key_id",
            "via",
            "action",
            "object_type",
            "object_id",
            "before",
            "after",
            "reason",
            "request_id",
        )
        read_only_fields = fields


class AuditQuery(serializers.Serializer[Any]):
    """Filters of the audit trail, each exact."""

    object_type = serializers.CharField(max_length=64, required=False, help_text="promotion, user")
    object_id = IdField(required=False, help_text="Needs object_type.")
    action = serializers.CharField(max_length=64, required=False, help_text="user.update")
    actor = serializers.RegexField(
        r"^(user|key):[0-9]{1,18}$", required=False, help_text="user:7 or key:3"
    )
    request_id = serializers.CharField(max_length=128, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "object_id" in attrs and "object_type" not in attrs:
            raise serializers.ValidationError(
                {"object_type": "Ids are counted by type: name it."}, code="required"
            )
        return attrs
