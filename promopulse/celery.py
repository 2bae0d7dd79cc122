"""The Celery application: its tasks are doorbells, the rows are the truth."""

import os
import sys
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.signals import beat_init, setup_logging, task_postrun
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "promopulse.settings")

DAY = timedelta(days=1)

app = Celery("promopulse")
app.set_default()  # for every thread: apps send through `celery.current_app`
app.config_from_object("django.conf:settings", namespace="CELERY")
# Around every task Celery would close the whole pool of connections; see `give_back_connection`.
app.conf.CELERY_DB_REUSE_MAX = sys.maxsize
app.autodiscover_tasks()


@app.on_after_finalize.connect
def plan_beat(sender: Celery, **_kwargs: object) -> None:
    """The static schedule, kept beside the tasks it is about."""
    from accounts.tasks import BEAT as ACCOUNTS
    from engagement.tasks import BEAT as ENGAGEMENT
    from promotions.coupons.tasks import BEAT as COUPONS
    from promotions.discounts.tasks import BEAT as DISCOUNTS

    sender.conf.beat_schedule = {**ACCOUNTS, **DISCOUNTS, **COUPONS, **ENGAGEMENT}


@beat_init.connect
def do_daily_work_at_start(sender: Any, **_kwargs: object) -> None:
    """A beat that is restarted every day would never come to what is due a day after its start."""
    for name, plan in sender.app.conf.beat_schedule.items():
        if plan["schedule"] == DAY:
            sender.scheduler.schedule[name].last_run_at -= DAY


@setup_logging.connect
def keep_our_logging(**_kwargs: object) -> None:
    """Django has set up JSON logs already; Celery would replace them."""


@task_postrun.connect
def give_back_connection(task: Any, **_kwargs: object) -> None:
    """To the pool, which looks after it: one that has died is replaced at the next task."""
    if not task.request.is_eager:  # then it is its caller's
        close_old_connections()
