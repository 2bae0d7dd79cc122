"""The Celery application: its tasks are doorbells, the rows are the truth."""

import os

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "promopulse.settings")

app = Celery("promopulse")
app.set_default()  # for every thread: apps send through `celery.current_app`
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_finalize.connect
def plan_beat(sender: Celery, **_kwargs: object) -> None:
    """The static schedule, kept beside the tasks it is about."""
    from engagement.tasks import BEAT

    sender.conf.beat_schedule = BEAT


@setup_logging.connect
def keep_our_logging(**_kwargs: object) -> None:
    """Django has set up JSON logs already; Celery would replace them."""
