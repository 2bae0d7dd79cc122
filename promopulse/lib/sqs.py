"""Celery's transport for Amazon SQS, without the way an outage has to end a worker."""

from typing import Any

from kombu.transport import SQS


class Channel(SQS.Channel):
    def _on_messages_ready(self, queue: str, qname: str, messages: Any) -> Any:
        # For an answer of 5xx and for none at all kombu 5.7.0 gives an empty list where it expects
        # a dict; the AttributeError would end the worker.
        return super()._on_messages_ready(  # type: ignore[misc]
            queue, qname, messages or {}
        )


class Transport(SQS.Transport):
    Channel = Channel
