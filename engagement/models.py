"""Engagement: the inbox, the facts, the counts, and what could not be counted."""

from django.contrib.postgres.indexes import BrinIndex, OpClass
from django.db import models
from django.db.models import F, Q

from engagement.causes import WORDS
from promopulse.lib.triggers import all_but, append_only_unless


class EventType(models.TextChoices):
    VIEW = "VIEW"
    CLICK = "CLICK"
    REDEEM = "REDEEM"


# More than a request may have events: the facts of a batch have ids of their own, above its own id
# times this. So they grow as batches arrive.
FACT_IDS_A_BATCH = 8_192


class IngestBatch(models.Model):
    """The inbox: one row per ingest request, with its events as one JSON text.

    The row is committed before the 202, the ids of its events with it. `body` is as `wire.encode`
    makes it, or for replays an array of the letters' payloads; it is null once processed, and the
    header with its counts stays until pruned. A worker holds a row through `lease_token` until
    `leased_until`.
    """

    class Origin(models.TextChoices):
        API = "api"
        REPLAY = "replay", "replay of dead letters: accepted before, not counted again"

    origin = models.CharField(max_length=6, choices=Origin.choices, default=Origin.API)
    client = models.CharField(max_length=32, blank=True, help_text="user:<id> or key:<id>")
    request_id = models.CharField(max_length=128, blank=True)
    received_at = models.DateTimeField()
    accepted = models.PositiveIntegerField()
    body = models.TextField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_token = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    processed_at = models.DateTimeField(null=True)
    processed = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    conflicts = models.PositiveIntegerField(default=0)
    retrying = models.PositiveIntegerField(default=0)
    dead = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "ingest batches"
        constraints = [
            models.CheckConstraint(
                name="engagement_ingestbatch_body_iff_waiting",
                condition=Q(body__isnull=False, processed_at=None)
                | Q(body=None, processed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="engagement_ingestbatch_adds_up",
                condition=Q(processed_at=None)
                | Q(
                    accepted=F("processed")
                    + F("duplicates")
                    + F("conflicts")
                    + F("retrying")
                    + F("dead")
                ),
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(processed_at=None), name="engagement_inbox_waiting"
            ),
        ]

    def __str__(self) -> str:
        return f"Batch {self.pk} of {self.accepted}"


class ProcessedEvent(models.Model):
    """The idempotency record of an event: its id is taken, once and for ever.

    It is written with the inbox row, and goes only where that row turns out not to be counted but
    to be retried or dead; such an id is taken when the event is counted after all.
    `digest` is 8 bytes of SHA-256 over the fields as sent, so that the same id with other fields
    is told apart. `fact_id` leads to the fact, and to the inbox row while it waits there.
    """

    event_id = models.CharField(max_length=128, primary_key=True, db_collation="C")
    digest = models.BigIntegerField()
    fact_id = models.BigIntegerField(
        help_text="The fact's id, also before it is counted and when it has been pruned."
    )

    class Meta:
        triggers = append_only_unless(
            f"""EXISTS (SELECT FROM engagement_ingestbatch
                WHERE id = OLD.fact_id / {FACT_IDS_A_BATCH} AND processed_at IS NULL)"""
        )

    def __str__(self) -> str:
        return self.event_id


class Event(models.Model):
    """One engagement fact. Append-only, no foreign keys, partitioned by month of `occurred_at`.
    Only its metadata may go, with the person it may tell of.

    Ids count up as events arrive: the newest is the last that came, whenever it happened. They are
    given with the ids of ProcessedEvent, none here.
    """

    id = models.BigIntegerField(primary_key=True)
    event_id = models.CharField(max_length=128, db_collation="C")
    type = models.CharField(max_length=6, choices=EventType.choices)
    promotion_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    subscription_id = models.BigIntegerField(null=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    amount = models.DecimalField(max_digits=15, decimal_places=3, null=True)
    metadata = models.JSONField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="engagement_event_newest"),
            models.Index(fields=["promotion_id", "id"], name="engagement_event_promotion"),
            models.Index(fields=["user_id", "id"], name="engagement_event_user"),
            BrinIndex(
                OpClass("occurred_at", name="timestamptz_minmax_multi_ops"),
                pages_per_range=16,
                autosummarize=True,
                name="engagement_event_time",
            ),
        ]
        triggers = all_but("metadata")

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class EventStat(models.Model):
    """The count of one promotion, type and UTC hour. Stats are read from here, never from facts.

    `new_users` counts users whose first such event was counted in this row, so that the sum over
    a promotion's rows is its exact number of unique users.
    """

    promotion_id = models.BigIntegerField()
    type = models.CharField(max_length=6, choices=EventType.choices)
    hour = models.DateTimeField(help_text="Start of the hour, UTC.")
    events = models.BigIntegerField()
    new_users = models.BigIntegerField()
    amount = models.DecimalField(max_digits=20, decimal_places=3)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["promotion_id", "type", "hour"], name="engagement_eventstat_cell"
            ),
            models.CheckConstraint(
                name="engagement_eventstat_counts",
                condition=Q(events__gt=0, new_users__gte=0, new_users__lte=F("events")),
            ),
        ]
        indexes = [models.Index(fields=["hour"], name="engagement_eventstat_hour")]

    def __str__(self) -> str:
        return f"{self.promotion_id} {self.type} {self.hour:%Y-%m-%d %H}h"


class PromotionUser(models.Model):
    """A user who has at least one event of this type in this promotion."""

    promotion_id = models.BigIntegerField()
    type = models.CharField(max_length=6, choices=EventType.choices)
    user_id = models.BigIntegerField()
    first_hour = models.DateTimeField(help_text="The EventStat row that counts this user.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["promotion_id", "type", "user_id"], name="engagement_promotionuser_once"
            )
        ]

    def __str__(self) -> str:
        return f"User {self.user_id} {self.type} {self.promotion_id}"


class Undelivered(models.Model):
    """What a retrying and a dead event have in common."""

    event_id = models.CharField(max_length=128, db_collation="C")
    digest = models.BigIntegerField()
    batch_id = models.BigIntegerField(help_text="The batch whose header counts this event.")
    payload = models.JSONField(help_text="The event as accepted, in the inbox's short keys.")
    type = models.CharField(max_length=6, choices=EventType.choices)
    promotion_id = models.BigIntegerField(null=True)
    user_id = models.BigIntegerField(null=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    cause = models.CharField(max_length=40)
    detail = models.TextField()
    fingerprint = models.CharField(max_length=200, help_text="Groups events of one failure.")
    attempts = models.PositiveSmallIntegerField(default=1)
    history = models.JSONField(default=list, help_text="Attempts: when, cause, detail.")

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["event_id"], name="%(app_label)s_%(class)s_id")
        ]

    def __str__(self) -> str:
        return f"{self.event_id}: {WORDS[self.cause]}"


class RetryEvent(Undelivered):
    """An event that may succeed later (its user or promotion is not known yet)."""

    due_at = models.DateTimeField(help_text="Moved on when it is tried, before it is tried.")

    class Meta(Undelivered.Meta):
        indexes = [models.Index(fields=["due_at"], name="engagement_retryevent_due")]


class DeadLetterEvent(Undelivered):
    """An event that was not counted, with why and what became of it."""

    class State(models.TextChoices):
        OPEN = "open"
        REPLAYING = "replaying"
        RESOLVED = "resolved", "resolved: counted by its replay"
        SUPERSEDED = "superseded", "superseded: the same id was sent again and counted"
        DISCARDED = "discarded"

    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    state_reason = models.CharField(max_length=500, blank=True)
    dead_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta(Undelivered.Meta):
        constraints = [
            *Undelivered.Meta.constraints,
            models.CheckConstraint(
                name="engagement_deadletter_closed_iff_timed",
                condition=Q(state__in=["open", "replaying"], closed_at=None)
                | Q(state__in=["resolved", "superseded", "discarded"], closed_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["state", "fingerprint", "id"], name="engagement_deadletter_group"),
            models.Index(fields=["promotion_id", "id"], name="engagement_deadletter_promo"),
            models.Index(fields=["batch_id"], name="engagement_deadletter_batch"),
        ]


class Consumption(models.Model):
    """The one row that says whether events are being consumed.

    Consumption pauses when most recent events fail in one way: that is a bad deploy, not bad
    events. From `probe_at` on one worker tries again, and resumes it if that goes well.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    paused_at = models.DateTimeField(null=True)
    probe_at = models.DateTimeField(null=True)
    fingerprint = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "consumption"
        constraints = [
            models.CheckConstraint(name="engagement_consumption_single", condition=Q(id=1)),
            models.CheckConstraint(
                name="engagement_consumption_paused_iff_probed",
                condition=Q(paused_at=None, probe_at=None)
                | Q(paused_at__isnull=False, probe_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"paused since {self.paused_at}" if self.paused_at else "running"


class Pruned(models.Model):
    """What was dropped for its age: the one row from which audit and rebuild start.

    Facts before `events_pruned_before` are gone (but for those that came late); their counts stand.
    The totals are what the headers of dropped batches carried, replays left out.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    events_pruned_before = models.DateTimeField(null=True, help_text="The first of a month, UTC.")
    batches = models.BigIntegerField(default=0)
    accepted = models.BigIntegerField(default=0)
    processed = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    conflicts = models.BigIntegerField(default=0)
    dead = models.BigIntegerField(default=0, help_text="Discarded letters, dropped with these.")

    class Meta:
        verbose_name_plural = "pruned"
        constraints = [
            models.CheckConstraint(name="engagement_pruned_single", condition=Q(id=1)),
            models.CheckConstraint(
                name="engagement_pruned_adds_up",
                condition=Q(accepted=F("processed") + F("duplicates") + F("conflicts") + F("dead")),
            ),
        ]

    def __str__(self) -> str:
        before = self.events_pruned_before
        return f"events before {before:%Y-%m}" if before else "no events"
