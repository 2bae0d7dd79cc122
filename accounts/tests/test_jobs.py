"""Jobs: each step once, whatever becomes of the worker; progress, cancel, begin again."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import jobs
from accounts.errors import JobClosed, JobUnderWay, JobUndone
from accounts.jobs import kinds, running, services
from accounts.jobs.services import ring
from accounts.models import AuditEntry, Job, JobFile, User
from accounts.pruning import prune_expired
from accounts.tests.factories import UserFactory
from accounts.tests.threads import together
from promopulse.lib import context
from promopulse.lib.errors import NotFound, PermissionDenied

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/accounts/job/"
LIVE = 'hx-select="#progress"'


def logged_in(role):
    user = UserFactory(role=role)
    client = Client()
    client.force_login(user)
    return client, user


def said(answer):
    return [str(message) for message in get_messages(answer.wsgi_request)]


@pytest.fixture
def toy(monkeypatch):
    """A job of three steps, each adding a line; `trouble` is called before a step ends."""
    monkeypatch.setattr(kinds, "_kinds", dict(kinds._kinds))
    trouble = []

    def step(job):
        running.append_to_file(job, f"{job.done}\n")
        job.done += 1
        if trouble:
            trouble.pop(0)(job)
        return job.done < 3

    jobs.register(jobs.Kind("toy", "Count toys", step, file="toy.csv"))
    return trouble


def begun(**given):
    return jobs.start("toy", title="Count to three", params={}, total=3, **given)


def lines(job):
    return list(job.pieces.order_by("number").values_list("text", flat=True))


def fresh(job):
    return Job.objects.get(pk=job.pk)


def test_it_goes_through_to_the_end(toy):
    job = begun()
    assert (job.state, job.done) == ("waiting", 0)
    running.run(job.pk)
    done = fresh(job)
    assert (done.state, done.done, done.lease_token) == ("done", 3, None)
    assert done.finished_at >= done.started_at
    assert lines(job) == ["0\n", "1\n", "2\n"]
    running.run(job.pk)
    assert lines(job) == ["0\n", "1\n", "2\n"], "done is done"


def test_a_step_that_breaks_leaves_nothing_and_is_tried_again(toy):
    def broken(_job):
        raise RuntimeError("disk of alice@example.com is full")

    job = begun()
    toy[:] = [lambda _job: None, broken]
    running.run(job.pk)
    running.run(job.pk)  # it rests for a moment first
    left = fresh(job)
    assert (left.state, left.done, left.tries) == ("running", 1, 1)
    assert lines(job) == ["0\n"]

    def tried():
        Job.objects.update(leased_until=timezone.now())
        toy[:] = [broken]
        running.run(job.pk)
        return fresh(job)

    assert tried().state == "running"
    failed = tried()
    assert (failed.state, failed.done) == ("failed", 1)
    assert failed.error.startswith("RuntimeError")
    assert "alice@example.com" not in failed.error

    toy.clear()
    jobs.again(job.pk)
    running.run(job.pk)
    assert (fresh(job).state, lines(job)) == ("done", ["0\n", "1\n", "2\n"])


def test_a_worker_that_died_is_followed_by_another(toy, monkeypatch):
    job = begun()
    monkeypatch.setattr(running, "_step", lambda *_given: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):  # as good as killed: nothing is said to the row
        running.run(job.pk)
    monkeypatch.undo()
    running.run(job.pk)
    assert fresh(job).done == 0, "the lease still runs"
    rung = []
    monkeypatch.setattr(running, "ring", lambda pk: rung.append(pk) or True)
    Job.objects.update(leased_until=timezone.now(), created_at=timezone.now() - timedelta(hours=1))
    assert (running.ring_for_what_is_left(), rung) == (1, [job.pk])


def test_one_that_kills_its_workers_ends(toy):
    job = begun()
    Job.objects.update(tries=3)
    running.run(job.pk)
    assert fresh(job).state == "failed"
    assert "died" in fresh(job).error


def test_a_worker_that_overslept_does_nothing(toy):
    job = begun()

    def overtaken(_job):
        raise AssertionError("must not get here")

    running.run(job.pk)
    Job.objects.update(state="running", finished_at=None, lease_token=None)
    toy[:] = [overtaken]
    assert running._step(job.pk, uuid.uuid4()) is False
    assert lines(job) == ["0\n", "1\n", "2\n"]


def test_cancel_stops_it_before_its_next_step(toy):
    job = begun()

    def cancelled(_job):
        transaction.on_commit(lambda: jobs.cancel(job.pk, reason="Enough"))

    toy[:] = [cancelled]
    running.run(job.pk)
    stopped = fresh(job)
    assert (stopped.state, stopped.done) == ("cancelled", 1)
    with pytest.raises(JobClosed):
        jobs.cancel(job.pk)
    jobs.again(job.pk)
    with pytest.raises(JobUndone):
        jobs.again(job.pk)
    running.run(job.pk)
    assert (fresh(job).state, lines(job)) == ("done", ["0\n", "1\n", "2\n"])
    actions = AuditEntry.objects.order_by("id").values_list("action", "reason")
    assert list(actions) == [("job.start", ""), ("job.cancel", "Enough"), ("job.again", "")]
    with pytest.raises(NotFound):
        jobs.cancel(job.pk + 1)


def test_a_refusal_ends_it_with_its_words(toy):
    def refused(_job):
        raise PermissionDenied("Not yours any more.")

    toy[:] = [refused]
    job = begun()
    running.run(job.pk)
    assert (fresh(job).state, fresh(job).error) == ("failed", "Not yours any more.")


def failing_is_told(monkeypatch, told):
    kind = kinds._kinds["toy"]
    monkeypatch.setitem(kinds._kinds, "toy", replace(kind, failed=told))


def test_its_kind_is_told_of_a_failure_in_the_name_of_who_asked(toy, monkeypatch):
    _client, user = logged_in("marketer")
    told = []

    def tell(job):
        told.append((job.state, job.error, context.actor.get().user_id))

    failing_is_told(monkeypatch, tell)
    job = begun()
    Job.objects.update(tries=3, actor=user)
    context.begin("another piece of work")
    running.run(job.pk)
    assert told == [("failed", fresh(job).error, user.pk)]


def test_a_failure_that_its_kind_cannot_be_told_of_is_none_yet(toy, monkeypatch):
    failing_is_told(monkeypatch, lambda _job: 1 / 0)
    job = begun()
    Job.objects.update(tries=3)
    with pytest.raises(ZeroDivisionError):
        running.run(job.pk)
    assert fresh(job).state == "running", "its lease ends, and the next worker says it again"
    failing_is_told(monkeypatch, None)
    Job.objects.update(leased_until=timezone.now())
    running.run(job.pk)
    assert fresh(job).state == "failed"


def test_one_that_has_to_wait_loses_no_try(toy):
    def later(_job):
        raise jobs.Later

    job = begun()
    for _ in range(5):
        toy[:] = [later]
        Job.objects.update(leased_until=None)
        running.run(job.pk)
    assert (fresh(job).state, fresh(job).tries) == ("running", 0)


def test_a_slice_ends_and_rings_for_the_next(toy, monkeypatch):
    rung = []
    monkeypatch.setattr(running, "SLICE_SECONDS", 0)
    monkeypatch.setattr(running, "ring", rung.append)
    job = begun()
    for _ in range(3):
        Job.objects.update(leased_until=None)
        running.run(job.pk)
    assert (fresh(job).state, rung) == ("done", [job.pk] * 2)


def test_ringing_never_raises(monkeypatch):
    monkeypatch.setattr("promopulse.lib.broker.send", lambda *_given, **_more: False)
    assert ring(1) is False


def test_the_database_keeps_state_and_time_together(toy):
    job = begun()
    with pytest.raises(IntegrityError):
        Job.objects.filter(pk=job.pk).update(state="done")


def test_its_page_shows_progress_and_gives_the_file_to_its_owner(toy):
    (owner, user), (other, _) = logged_in("marketer"), logged_in("ops")
    job = begun()
    Job.objects.update(actor=user)
    page = owner.get(f"{LIST}{job.pk}/change/").content.decode()
    assert 'role="progressbar"' in page
    assert 'aria-valuenow="0"' in page
    assert LIVE in page
    assert owner.get(f"{LIST}{job.pk}/file/").status_code == 404
    running.run(job.pk)
    page = owner.get(f"{LIST}{job.pk}/change/").content.decode()
    assert "3 of 3" in page
    assert LIVE not in page
    answer = owner.get(f"{LIST}{job.pk}/file/")
    assert b"".join(answer.streaming_content) == b"0\n1\n2\n"
    assert other.get(f"{LIST}{job.pk}/change/").status_code == 200
    assert other.get(f"{LIST}{job.pk}/file/").status_code == 403


def test_its_kind_is_told_in_words_in_column_filter_and_page(toy):
    client, _user = logged_in("ops")
    job = begun()
    Job.objects.create(kind="abacus", title="Of another version")
    rows = client.get(f"{LIST}?kind=toy")
    assert [one.pk for one in rows.context["cl"].result_list] == [job.pk]
    (offered,) = [one for one in rows.context["cl"].filter_specs if one.title == "kind"]
    assert ("toy", "Count toys") in offered.lookup_choices
    page = client.get(f"{LIST}{job.pk}/change/").content.decode()
    for shown in (rows.content.decode(), page):
        assert "Count toys" in shown
        assert ">toy<" not in shown
    assert "abacus" in client.get(LIST).content.decode()


def test_it_is_cancelled_by_its_owner_from_a_plan(toy):
    (owner, user), (other, _) = logged_in("marketer"), logged_in("marketer")
    job = begun()
    Job.objects.update(actor=user)
    address = f"{LIST}{job.pk}/cancel/"
    plan = owner.get(address).context["plan"].hash
    assert other.post(address, {"plan": plan}).status_code == 403
    assert said(owner.post(address, {"plan": "x"}))[-1].startswith("The plan changed")
    assert fresh(job).state == "waiting"
    assert owner.post(address, {"plan": plan, "reason": "Wrong list"}).status_code == 302
    assert fresh(job).state == "cancelled"
    assert owner.get(LIST).status_code == 200


def test_files_go_after_a_week(toy):
    job, newer = begun(), begun()
    running.run(job.pk)
    running.run(newer.pk)
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(days=8))
    assert prune_expired()["job_files"] == 3
    assert set(JobFile.objects.values_list("job", flat=True)) == {newer.pk}
    _client, admin = logged_in("admin")
    Job.objects.update(actor=admin)
    assert _client.get(f"{LIST}{job.pk}/file/").status_code == 404


def test_of_those_asked_for_at_one_moment_one_is_begun(toy):
    def asked():
        return jobs.start("toy", title="Count", params={}, total=3, once="count", rows=[1]).pk

    assert len(set(together(*[asked] * 6))) == 1
    job = Job.objects.get()
    assert (job.brought.count(), AuditEntry.objects.filter(action="job.start").count()) == (1, 1)
    running.run(job.pk)
    assert asked() != job.pk, "another one, once it is done"


def test_it_is_not_taken_up_while_another_does_the_same(toy):
    first = begun(once="count")
    jobs.cancel(first.pk)
    second = begun(once="count")
    with pytest.raises(JobUnderWay):
        jobs.again(first.pk)
    assert fresh(first).state == "cancelled"
    jobs.cancel(second.pk)
    jobs.again(first.pk)
    running.run(first.pk)
    assert fresh(first).state == "done"


def test_nobody_waits_for_a_long_step_to_stop_its_job(toy, monkeypatch):
    monkeypatch.setattr(services, "WAIT_MS", 100)
    client, user = logged_in("marketer")
    job = begun()
    Job.objects.update(actor=user)
    plan = client.get(f"{LIST}{job.pk}/cancel/").context["plan"].hash
    answers = []

    def busy(_job):
        def stop():
            with connection.cursor() as cursor:  # would wait for the step, which waits for it
                cursor.execute("SET statement_timeout = '5s'")
            answers.append(client.post(f"{LIST}{job.pk}/cancel/", {"plan": plan}))

        together(stop)

    toy[:] = [busy]
    # The page of the plan is judged by the state, which a worker has changed by then.
    monkeypatch.setattr(running, "_CLAIM", running._CLAIM.replace("state = 'running', ", ""))
    running.run(job.pk)
    assert said(answers[0])[-1].startswith("It is in a step that cannot be stopped halfway")
    assert (fresh(job).state, fresh(job).done) == ("done", 3)


def test_its_file_is_not_for_who_lost_the_role(toy, monkeypatch):
    kind = kinds._kinds["toy"]
    may = replace(kind, may=lambda user, _job: user.role == "marketer")
    monkeypatch.setitem(kinds._kinds, "toy", may)
    client, user = logged_in("marketer")
    job = begun()
    Job.objects.update(actor=user)
    running.run(job.pk)
    address = f"{LIST}{job.pk}/file/"
    assert client.get(address).status_code == 200
    assert address in client.get(f"{LIST}{job.pk}/change/").content.decode()
    User.objects.filter(pk=user.pk).update(role="viewer")
    assert client.get(address).status_code == 403
    assert address not in client.get(f"{LIST}{job.pk}/change/").content.decode()
