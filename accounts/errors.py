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


class JobUnderWay(DomainError):
    """Of some jobs only one at a time is done."""

    code = "invalid_transition"

    def __init__(self) -> None:
        words = "Another job does the same at this moment."
        super().__init__(words, from_status="ended", to_status="waiting")


class JobBusy(DomainError):
    """A step is done whole or not at all; whoever wants to stop its job waits for its end."""

    code = "invalid_transition"

    def __init__(self) -> None:
        words = "It is in a step that cannot be stopped halfway; try again in some seconds."
        super().__init__(words, from_status="running", to_status="cancelled")


class BroughtGone(DomainError):
    """What was brought for a job is kept a week after its end."""

    code = "invalid_transition"

    def __init__(self) -> None:
        words = "What was brought for it is gone: bring it again."
        super().__init__(words, from_status="ended", to_status="waiting")
