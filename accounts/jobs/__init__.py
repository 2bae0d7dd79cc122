"""Long work with its progress in a row: started by a service, done by a worker, step by step."""

from accounts.jobs.brought import is_large
from accounts.jobs.kinds import Kind, Later, register, still_may
from accounts.jobs.services import again, cancel, start

__all__ = [
    "Kind",
    "Later",
    "again",
    "cancel",
    "is_large",
    "register",
    "start",
    "still_may",
]
