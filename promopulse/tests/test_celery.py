"""What the worker does around tasks."""

import pytest
from celery.fixups.django import DjangoWorkerFixup  # type: ignore[attr-defined]
from celery.signals import task_postrun
from django.db import connection

from promopulse.celery import app


@pytest.fixture
def worker(transactional_db, monkeypatch):
    """What Celery does around tasks in a process of its pool."""
    monkeypatch.setattr(DjangoWorkerFixup, "_is_prefork", lambda _: True)
    return DjangoWorkerFixup(app)


def test_a_task_gives_its_connection_back_and_the_pool_stays_open(worker):
    connection.ensure_connection()
    pool = connection.pool
    task = app.tasks["engagement.make_months"]
    worker.on_task_prerun(sender=task)
    assert connection.connection is not None
    task_postrun.send(sender=task, task=task)
    worker.on_task_postrun(sender=task)
    assert connection.connection is None
    assert not pool.closed
    assert connection.pool is pool
