"""Rings at a broker that may be far away, on a thread of its own: a request only asks for it.

However long the broker, a name server or a handshake takes, nobody waits for them.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from kombu import Connection, Producer

from promopulse.lib import brokers
from promopulse.lib.redis import Circuit

PATIENCE_SECONDS = 5.0


class Ringer:
    """Calls `publish` with a producer soon after each `ask`; several asks can become one call.

    A failure breaks the `circuit` (whoever asks looks at it first), is told to `failed`, and costs
    the connection.
    """

    def __init__(
        self,
        publish: Callable[[Producer], None],
        circuit: Circuit,
        failed: Callable[[], None],
    ) -> None:
        self._publish = publish
        self._circuit = circuit
        self._failed = failed
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._forget_thread)

    def ask(self) -> None:
        """Have it ring. Asked while it rings, it rings once more."""
        self._asked.set()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
                self._thread.start()

    def _forget_thread(self) -> None:
        """A child has none of its parent's threads."""
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._thread = None

    def _run(self) -> None:
        connection = None
        while True:
            self._asked.wait()
            self._asked.clear()
            try:
                connection = connection or _connect()
                with Producer(connection.default_channel) as producer:
                    self._publish(producer)
            except Exception as error:  # every transport raises what its library does
                self._circuit.failed(error)
                self._failed()
                if connection is not None:
                    with suppress(Exception):
                        connection.collapse()  # type: ignore[attr-defined]
                connection = None
            else:
                self._circuit.worked()


def _connect() -> Connection:
    url, options = settings.CELERY_BROKER_URL, settings.CELERY_BROKER_TRANSPORT_OPTIONS
    return Connection(
        url,
        connect_timeout=PATIENCE_SECONDS,
        transport_options=brokers.sender_options(url, options, seconds=PATIENCE_SECONDS),
    )
