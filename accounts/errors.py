"""Refusals about people and sessions."""

from promopulse.lib.errors import DomainError, NotFound


class EmailTaken(DomainError):
    code = "email_taken"


class InvalidCredentials(DomainError):
    code = "invalid_credentials"


class UserNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("User not found")


class IdempotencyKeyReused(DomainError):
    code = "idempotency_key_reused"


class IdempotencyInProgress(DomainError):
    code = "idempotency_in_progress"
