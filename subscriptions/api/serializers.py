"""Shapes of subscriptions in and out."""

from typing import Any

from rest_framework import serializers

from promopulse.lib.fields import (
    AwareDateTimeField,
    IdField,
    MetadataField,
    StrictSerializer,
)


class SubscribeIn(StrictSerializer):
    user_id = IdField()
    promotion_id = IdField()
    metadata = MetadataField(required=False)


class NothingIn(StrictSerializer):
    """A body with no fields; none at all is the same."""


class SubscriptionOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    user_id = serializers.IntegerField()
    promotion_id = serializers.IntegerField()
    is_active = serializers.BooleanField()
    subscribed_at = AwareDateTimeField()
    deactivated_at = AwareDateTimeField(allow_null=True)
    metadata = MetadataField()


class ListQuery(serializers.Serializer[Any]):
    """Whose subscriptions: exactly one of the two ids."""

    user_id = IdField(required=False, help_text="Subscriptions of this user.")
    promotion_id = IdField(required=False, help_text="Subscriptions to this promotion.")
    is_active = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="Only active or inactive ones."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("user_id" in attrs) == ("promotion_id" in attrs):
            error = serializers.ErrorDetail(
                "Exactly one of user_id and promotion_id is expected.", code="exactly_one"
            )
            raise serializers.ValidationError({"user_id": [error], "promotion_id": [error]})
        return attrs
