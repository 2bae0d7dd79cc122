"""A replay of very many letters, as a job: part by part, each as a replay of its own."""

from datetime import datetime, timedelta
from typing import Any

from accounts import jobs
from accounts.models import Job
from engagement.letters.plans import Plan
from engagement.letters.replaying import ReplayRunning, replay
from engagement.letters.selection import Selection, from_words
from promopulse.lib.time import db_now, rfc3339

KIND = "replay"
AT_ONCE = 5_000
LETTERS_A_STEP = 2_000


def start(selection: Selection, plan: Plan, *, rate: int | None, reason: str) -> Job:
    """Replay the letters of a plan; those that die meanwhile are left for another one."""
    return jobs.start(
        KIND,
        title=f"Replay {plan.count:,} dead letters",
        params={
            "selection": selection.words(),
            "upto_id": max(plan.ids),
            "rate": rate,
            "reason": reason,
        },
        total=plan.count,
    )


def step(job: Job) -> bool:
    """The next part, by id: what is refused again and open again is not replayed twice."""
    rate = job.params["rate"]
    words = {
        **job.params["selection"],
        "after_id": job.place.get("after_id", 0),
        "upto_id": job.params["upto_id"],
    }
    begin_at = max(db_now(), datetime.fromisoformat(job.place["due"])) if job.place else None
    try:
        done = replay(
            from_words(words),
            sample=LETTERS_A_STEP,
            rate=rate,
            reason=job.params["reason"],
            begin_at=begin_at,
        )
    except ReplayRunning as running:
        raise jobs.Later from running
    count = done.plan.count
    if count:
        lasts = timedelta(seconds=count / rate if rate else 0)
        due = (begin_at or db_now()) + lasts
        job.place = {"after_id": max(done.plan.ids), "due": rfc3339(due)}
    job.done += count
    more = count == LETTERS_A_STEP
    if not more:
        job.result = {"sent_back": job.done}
    return more


def register() -> None:
    def may(user: Any, _job: Job) -> bool:
        return bool(user.has_perm("engagement.change_deadletterevent"))

    jobs.register(jobs.Kind(KIND, "Replay dead letters", step, may=may))
