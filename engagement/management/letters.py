"""What the `dlq_` commands share: which letters, the plan, the question before it is done."""

import argparse
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser

from engagement.causes import CAUSES
from engagement.letters import Plan, Selection
from engagement.models import EventType
from promopulse.lib.commands import Command, Exit, Outcome, Stop
from promopulse.lib.words import plural

_DONE = {"discard": "discarded", "restore": "restored"}
_FILTERS = ("cause", "fingerprint", "event_type", "promotion_id", "since", "until")


def add_filters(parser: CommandParser) -> None:
    """Options by which letters are chosen."""
    parser.add_argument("--cause", choices=sorted(CAUSES))
    parser.add_argument("--fingerprint", help="The whole fingerprint of a group.")
    parser.add_argument("--type", choices=EventType.values, dest="event_type")
    parser.add_argument("--promotion", type=positive, dest="promotion_id", metavar="ID")
    parser.add_argument("--since", type=_moment, metavar="TIME", help="Dead since, with offset.")
    parser.add_argument("--until", type=_moment, metavar="TIME", help="Dead before, with offset.")


def add_selection(parser: CommandParser) -> None:
    """The same, or letters by id."""
    parser.add_argument("ids", nargs="*", type=positive, metavar="ID", help="Letters by id.")
    add_filters(parser)


def positive(text: str) -> int:
    """An option's value that is one or more."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-06-01T12:00Z") from None
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} needs its offset, such as Z or +02:00")
    return at


def filters_of(options: dict[str, Any]) -> dict[str, Any]:
    """The filters that were given."""
    return {name: options[name] for name in _FILTERS if options[name] is not None}


def selection_of(options: dict[str, Any]) -> Selection:
    """The letters that were chosen. Raises Stop for ids and filters together."""
    filters = filters_of(options)
    if not options["ids"]:
        return Selection(**filters)
    if filters:
        raise Stop("Give ids or filters, not both.", Exit.USAGE)
    return Selection(ids=tuple(options["ids"]))


def lines_of(plan: Plan) -> list[str]:
    """A plan in words."""
    lines = [plural(plan.count, "letter")]
    if plan.oldest_at and plan.newest_at:
        lines[0] += (
            f", dead from {plan.oldest_at:%Y-%m-%d %H:%M} to {plan.newest_at:%Y-%m-%d %H:%M} UTC"
        )
    lines += [f"{count:>8}  {cause}" for cause, count in plan.by_cause.items()]
    lines += [
        f"{count:>8}  promotion {promotion_id or 'unknown'}"
        for promotion_id, count in plan.by_promotion
    ]
    if plan.already_counted:
        lines.append(f"{plan.already_counted:>8}  counted since from another sending")
    if plan.left_out:
        lines.append(f"{plan.left_out:>8}  left out: unknown, or in another state")
    return lines


def confirmed(command: Command, plan: Plan, *, yes: bool) -> str | None:
    """Ask whether to carry a plan out; gives the hash of what was agreed to."""
    if yes:
        return None
    for line in lines_of(plan):
        command.say(line)
    command.confirm(f"{plan.action.capitalize()} {plural(plan.count, 'letter')}?", yes=False)
    return plan.hash


def change(
    command: Command, act: Callable[..., Plan], *, dry_run: bool, yes: bool, **given: Any
) -> Outcome:
    """Discard or restore: plan, ask, do, tell."""
    plan = act(dry_run=True, **given)
    if plan.count and not dry_run:
        plan = act(expect_plan=confirmed(command, plan, yes=yes), **given)
    words = done_words(plan, _DONE[plan.action], dry_run=dry_run)
    return Outcome({**plan.figures(), "dry_run": dry_run}, lines_of(plan), words)


def done_words(plan: Plan, done: str, *, dry_run: bool) -> str:
    """What came of a plan, in a sentence; nothing of one that was only looked at."""
    if not plan.count:
        return f"There is nothing to {plan.action}."
    return "" if dry_run else f"{plural(plan.count, 'letter')} {done}."
