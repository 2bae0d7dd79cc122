"""Plan, confirm, do: what would be done has a hash, and only what was confirmed is done.

The admin's previews, `dry_run` of the API and `--dry-run` of the commands show the same plan. Who
confirms it sends its hash back; if the rows have changed since, the hash is another one.
"""

import hashlib
import json
from typing import Any, Protocol

from promopulse.lib.errors import PlanChanged


class Plan(Protocol):
    """What an action would do now. `count` is how many rows it would change."""

    @property
    def hash(self) -> str: ...

    @property
    def count(self) -> int: ...


def digest(action: str, *facts: Any) -> str:
    """The hash of a plan: `facts` are JSON values that say exactly what would be changed."""
    words = json.dumps([action, *facts], separators=(",", ":"), default=str)
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def must_be(plan: Plan, expected: str | None) -> None:
    """Raises PlanChanged unless `expected` is the plan's hash; None expects nothing."""
    if expected is not None and expected != plan.hash:
        raise changed(plan)


def changed(now: Plan) -> PlanChanged:
    """The refusal of a plan that is another one now."""
    return PlanChanged(count=now.count, plan=now.hash)
