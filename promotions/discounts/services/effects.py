"""What moves money is one statement: its trigger judges, takes and writes down."""

import time
from typing import Any, Generic

from django.db import IntegrityError

from accounts import idempotency
from accounts.idempotency import Claim
from promopulse.lib.direct import M, RowStatement
from promopulse.lib.errors import DomainError
from promopulse.lib.problems import constraint_of
from promopulse.lib.refusals import heard
from promotions.discounts.errors import ConcurrentRedemption

# Seconds to let others finish who hold what is overdue; after the last one they are named.
PATIENCE = (0.0, 0.002, 0.01, 0.05, 0.2)


class Effect(Generic[M]):
    """A statement that writes one row, alone or noted under an Idempotency-Key by itself.

    `{free}` in its text is a condition on which it writes; `status` is that of the answer to it,
    `refusals` are what it can be refused with.
    """

    def __init__(
        self,
        name: str,
        model: type[M],
        text: str,
        *,
        status: int,
        refusals: tuple[type[DomainError], ...],
    ) -> None:
        self._status = status
        self._refusals = refusals
        alone = text.replace("{free}", "true")
        claimed = text.replace("{free}", idempotency.FREE)
        self._alone = RowStatement(name, model, f"{alone} RETURNING {{row}}")
        self._claimed = RowStatement(
            f"{name}_once",
            model,
            f"WITH done AS ({claimed} RETURNING *), noted AS ({idempotency.noted('done')}) "
            "SELECT {row} FROM done",
        )

    def patiently(self, params: dict[str, Any], claim: Claim | None) -> M | None:
        """`run`, where others may be at what is overdue and money or the day lacks just that.

        It steps back to the end of the budget's queue then: nothing is held meanwhile, and those
        who were before it are done.
        """
        for pause in PATIENCE:
            try:
                return self.run(params, claim)
            except ConcurrentRedemption:
                time.sleep(pause)
        return self.run(params, claim)

    def run(self, params: dict[str, Any], claim: Claim | None) -> M | None:
        """The row it wrote, or None where there was nothing to write it for.

        Raises NotOurs where the key of `claim` is not free, or one of its refusals.
        """
        if claim is None:
            with heard(*self._refusals):
                return self._alone.fetch(params)
        try:
            with heard(*self._refusals):
                written = self._claimed.fetch(params | claim.params(self._status))
        except IntegrityError as error:
            if constraint_of(error) == idempotency.UNIQUE:
                raise idempotency.NotOurs from None
            raise
        if written is None:  # for the key, or for another reason that is told without it
            raise idempotency.NotOurs
        return written
