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
