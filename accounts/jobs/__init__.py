"""Long work with its progress in a row: started by a service, done by a worker, step by step."""

from accounts.jobs.kinds import Kind, Later, register
from accounts.jobs.services import again, cancel, start

__all__ = ["Kind", "Later", "again", "cancel", "register", "start"]
