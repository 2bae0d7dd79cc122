"""Who acts and in which request: what audit rows and log lines of one piece of work share."""

from contextvars import ContextVar
from dataclasses import dataclass

# Through what somebody acts; "page" are the pages of customers and the desk.
VIAS = ("api", "admin", "page", "command", "worker", "system")


@dataclass(frozen=True)
class Actor:
    """Who changed something: a person, a service's API key, or the system itself (both None)."""

    user_id: int | None = None
    api_key_id: int | None = None
    via: str = "system"  # one of VIAS


SYSTEM = Actor()

request_id: ContextVar[str] = ContextVar("request_id", default="")
# Of the requests a worker is dealing with.
request_ids: ContextVar[tuple[str, ...]] = ContextVar("request_ids", default=())
actor: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


def begin(new_request_id: str, new_actor: Actor = SYSTEM) -> None:
    """Start a piece of work; threads are reused, so nothing of the one before may stay."""
    request_id.set(new_request_id)
    request_ids.set(())
    actor.set(new_actor)
