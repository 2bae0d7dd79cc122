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


class InvalidRefreshToken(DomainError):
    """Unknown, expired, used or revoked: which one is nobody's business."""

    code = "not_authenticated"

    def __init__(self) -> None:
        super().__init__("The refresh token is not valid; log in again.")


class PoolInUse(DomainError):
    """The audience of a promotion stays as it is."""

    code = "promotion_in_use"

    def __init__(self) -> None:
        super().__init__("The pool is the audience of a promotion.")


class JobClosed(DomainError):
    code = "invalid_transition"

    def __init__(self, state: str) -> None:
        words = f"The job is {state} already."
        super().__init__(words, from_status=state, to_status="cancelled")


class JobUndone(DomainError):
    """Only what failed or was cancelled is begun again."""

    code = "invalid_transition"

    def __init__(self, state: str) -> None:
        super().__init__(f"The job is {state}.", from_status=state, to_status="waiting")
