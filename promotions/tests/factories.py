"""Promotions for tests: a draft of a month around now, or one already active."""

from datetime import UTC, datetime, timedelta

import factory
from factory.django import DjangoModelFactory

from promotions.models import Promotion
from promotions.states import Status


class PromotionFactory(DjangoModelFactory):
    class Meta:
        model = Promotion

    name = factory.Sequence(lambda n: f"Promotion {n}")
    start_at = factory.LazyFunction(lambda: datetime.now(UTC) - timedelta(days=15))
    end_at = factory.LazyAttribute(lambda promotion: promotion.start_at + timedelta(days=30))


class ActivePromotionFactory(PromotionFactory):
    status = Status.ACTIVE
    activated_at = factory.SelfAttribute("start_at")


class EndedPromotionFactory(ActivePromotionFactory):
    status = Status.ENDED
    ended_at = factory.SelfAttribute("end_at")
