"""Subscriptions for tests."""

import factory
from factory.django import DjangoModelFactory

from accounts.tests.factories import UserFactory
from promotions.tests.factories import ActivePromotionFactory
from subscriptions.models import Subscription


class SubscriptionFactory(DjangoModelFactory):
    class Meta:
        model = Subscription

    user = factory.SubFactory(UserFactory)
    promotion = factory.SubFactory(ActivePromotionFactory)
