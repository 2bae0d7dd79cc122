"""Database expressions that migrations name."""

from django.db import models
from django.db.models import Func


class RandomKey(Func):
    """A place in the order of draws: any of 2^31, each as likely."""

    template = "floor(random() * 2147483648)::integer"
    output_field = models.IntegerField()
