"""Wakes a worker for batches that wait. Losing a ring only delays: the beat looks for them too."""

from celery import current_app
from kombu import Producer

from promopulse.lib.redis import Circuit
from promopulse.lib.ringer import Ringer

TASK = "coupons.fill_batches"

_circuit = Circuit("broker")


def _publish(producer: Producer) -> None:
    current_app.send_task(TASK, producer=producer, retry=False, ignore_result=True)


def _in_vain() -> None:
    """The circuit has told it; the beat is next."""


_ringer = Ringer(_publish, _circuit, failed=_in_vain)


def ring() -> None:
    """Ask for a worker, beside the request. Never raises, never waits."""
    if _circuit.may_pass():
        _ringer.ask()
