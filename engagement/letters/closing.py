"""Discard letters that shall not be replayed; restore them when that was wrong."""

from django.db import transaction

from engagement.letters import moves
from engagement.letters.plans import Plan, plan_of
from engagement.letters.selection import Selection, lock
from engagement.letters.states import ACTIONS
from promopulse.lib import plans
from promopulse.lib.errors import Invalid


def discard(
    selection: Selection,
    *,
    reason: str,
    dry_run: bool = False,
    expect_plan: str | None = None,
) -> Plan:
    """Close open letters for good reason; they stay and can be restored.

    Raises Invalid without a reason, and PlanChanged.
    """
    reason = moves.clean_reason(reason)
    if not reason and not dry_run:
        raise Invalid("reason", "Say why they are discarded.", "required")
    return _act("discard", selection, reason, dry_run, expect_plan, kept_reason=reason)


def restore(
    selection: Selection,
    *,
    reason: str = "",
    dry_run: bool = False,
    expect_plan: str | None = None,
) -> Plan:
    """Open discarded letters again. Raises Invalid and PlanChanged."""
    reason = moves.clean_reason(reason)
    return _act("restore", selection, reason, dry_run, expect_plan, kept_reason="")


def _act(
    action: str,
    selection: Selection,
    reason: str,
    dry_run: bool,
    expect_plan: str | None,
    *,
    kept_reason: str,
) -> Plan:
    move = ACTIONS[action]
    picked = selection.pick(move.source)
    if dry_run:
        plan = plan_of(action, picked, selection)
        plans.must_be(plan, expect_plan)
        return plan
    with transaction.atomic():
        plan = plan_of(action, lock(picked, move.source), selection)
        plans.must_be(plan, expect_plan)
        if plan.ids:
            moves.move(plan.ids, move.target, kept_reason)
            moves.write_down(plan, selection, reason)
    return plan
