"""Plans: what was confirmed is what is done."""

from dataclasses import dataclass

import pytest

from promopulse.lib import plans
from promopulse.lib.errors import PlanChanged


@dataclass
class Some:
    hash: str
    count: int = 3


def test_the_hash_stands_for_the_action_and_every_fact():
    known = plans.digest("end", [[7, 1], [9, 2]])
    assert known == plans.digest("end", [[7, 1], [9, 2]])
    others = [("end", [[7, 1], [9, 3]]), ("end", [[7, 1]]), ("pause", [[7, 1], [9, 2]]), ("end",)]
    assert known not in {plans.digest(*other) for other in others}


def test_only_what_was_confirmed_is_done():
    plan = Some(plans.digest("end", 1))
    plans.must_be(plan, None)
    plans.must_be(plan, plan.hash)
    for expected in ("", "x", plans.digest("end", 2)):
        with pytest.raises(PlanChanged) as refused:
            plans.must_be(plan, expected)
        assert refused.value.params == {"count": 3, "plan": plan.hash}
