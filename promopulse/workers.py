"""Who works, asked over whatever broker there is."""

from celery.utils.nodenames import gethostname

from engagement import doorbell
from promopulse.celery import app


def can_be_asked() -> bool:
    """Whether this broker carries questions to workers. SQS does not."""
    with app.connection_for_read() as connection:
        return bool(connection.supports_exchange_type("fanout"))


def answering(timeout: float) -> int:
    """How many workers answer in so many seconds. Raises what the broker's library raises."""
    return len(app.control.ping(timeout=timeout) or [])


def here_is_well(timeout: float = 5.0) -> bool:
    """Whether this machine's worker answers; where none can be asked, whether any worked lately.

    Raises what the broker's library raises.
    """
    if not can_be_asked():
        return doorbell.is_worker_alive()
    me = f"celery@{gethostname()}"
    return bool(app.control.inspect(destination=[me], timeout=timeout).ping())
