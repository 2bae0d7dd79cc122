"""People and services: who they are, what they may do, and what they did."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now, Upper

from accounts import pii, triggers
from accounts.fields import EncryptedEmail, EncryptedText
from accounts.roles import REVEAL, Role, Scope, admin_permissions
from promopulse.lib.triggers import append_only


class UserManager(BaseUserManager["User"]):
    def by_email(self, email: str) -> "User | None":
        """The user with this address in any letter case, found through the blind index."""
        return self.filter(email_bidx=pii.email_index(email)).first()

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email_bidx=pii.email_index(username or ""))

    def create_superuser(self, email: str, password: str | None = None) -> "User":
        """For `manage.py createsuperuser`: the first admin of a new installation."""
        user = self.model(email=email, name=email.partition("@")[0], role=Role.ADMIN)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """One identity: a customer, a marketer, ops or an admin.

    E-mail and phone are encrypted; `email_bidx` follows the e-mail in `save()`. Erased users keep
    their id, so that ledgers and counts stand, and nothing else.
    """

    name = models.CharField(max_length=255, blank=True)
    email = EncryptedEmail(null=True, blank=True)
    email_bidx = models.BinaryField(max_length=32, null=True, unique=True, editable=False)
    phone = EncryptedText(null=True, blank=True)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.CUSTOMER)
    source_id = models.CharField(
        max_length=128, null=True, blank=True, unique=True, help_text="The client's own id."
    )
    metadata = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True)
    may_reveal = models.BooleanField(
        "may see personal data",
        default=False,
        help_text="Staff only: e-mail and phone in clear, with a reason. Admins always may.",
    )
    token_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="Raised to make every issued token die."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="accounts_user_known_or_erased",
                condition=Q(email_bidx__isnull=False)
                | Q(source_id__isnull=False)
                | Q(erased_at__isnull=False),
            ),
            models.CheckConstraint(
                name="accounts_user_email_iff_indexed",
                condition=Q(email__isnull=True, email_bidx__isnull=True)
                | Q(email__isnull=False, email_bidx__isnull=False),
            ),
            models.CheckConstraint(
                name="accounts_user_role_known", condition=Q(role__in=Role.values)
            ),
            models.CheckConstraint(
                name="accounts_user_erased_is_empty",
                condition=Q(erased_at__isnull=True)
                | Q(
                    email__isnull=True,
                    phone__isnull=True,
                    source_id__isnull=True,
                    name="",
                    metadata={},
                    is_active=False,
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["role", "id"], name="accounts_user_role"),
            models.Index(
                fields=["id"], name="accounts_user_inactive", condition=Q(is_active=False)
            ),
            GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="accounts_user_name_trgm"),
        ]
        triggers = [triggers.person_stays]

    def __str__(self) -> str:
        return f"User {self.pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        fields = kwargs.get("update_fields")
        if fields is None or "email" in fields:
            self.email = self.email or None  # type: ignore[assignment]
            self.email_bidx = pii.email_index(self.email) if self.email else None
            if fields is not None:
                kwargs["update_fields"] = {*fields, "email_bidx"}
        super().save(*args, **kwargs)

    def get_username(self) -> str:
        return str(self)

    def get_short_name(self) -> str:
        return self.name or str(self)

    def get_full_name(self) -> str:
        return self.name

    @property
    def is_staff(self) -> bool:
        """Whether the person may open the admin at all."""
        return self.is_active and self.role != Role.CUSTOMER

    @property
    def is_superuser(self) -> bool:
        return self.is_active and self.role == Role.ADMIN

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        if perm == REVEAL:
            return self.is_superuser or (self.is_staff and self.may_reveal)
        return self.is_superuser or (self.is_staff and perm in admin_permissions(self.role))

    def has_perms(self, perm_list: Any, obj: Any = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_superuser or (
            self.is_staff
            and any(perm.startswith(f"{app_label}.") for perm in admin_permissions(self.role))
        )


class RefreshToken(models.Model):
    """One refresh token, kept as its SHA-256. Using it makes the next one of its family.

    A token used twice was stolen: then the whole family dies (RFC 9700, 4.14.2). It carries the
    user's token version from when it was made, so a token that is being rotated while the password
    changes dies too.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="refresh_tokens")
    family = models.UUIDField(db_index=True)
    token_hash = models.BinaryField(max_length=32, unique=True)
    token_version = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Refresh token {self.pk} of user {self.user_id}"


class ApiKey(models.Model):
    """A service's key `pp_<prefix>_<secret>`: found by its prefix, checked against the hash."""

    name = models.CharField(max_length=255)
    prefix = models.CharField(max_length=12, unique=True, editable=False)
    secret_hash = models.BinaryField(max_length=32, editable=False)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope.choices), default=list)
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(
        null=True, blank=True, help_text="To the minute; not written at every request."
    )
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} (pp_{self.prefix}_...)"


class Pool(models.Model):
    """A named list of users, used to target promotions and to distribute coupons.

    `user_count` is kept by triggers, so that no list counts members.
    """

    name = models.CharField(max_length=255, unique=True)
    description = models.TextField(blank=True)
    users = models.ManyToManyField(User, through="PoolMembership", related_name="pools")
    user_count = models.PositiveIntegerField(
        default=0, editable=False, help_text="Users in the pool now."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class PoolMembership(models.Model):
    """A user in a pool. Joins and leaves; a membership never moves to another pool."""

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pool", "user"], name="accounts_poolmembership_once")
        ]
        triggers = [triggers.joining_counts, triggers.leaving_counts, triggers.pool_is_fixed]

    def __str__(self) -> str:
        return f"User {self.user_id} in pool {self.pool_id}"


class AuditEntry(models.Model):
    """Who changed what, from what to what, why, in which request. Append-only.

    `before` and `after` hold the changed fields; personal fields appear by name only.
    """

    at = models.DateTimeField(auto_now_add=True)
    actor_user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    actor_api_key = models.ForeignKey(
        ApiKey, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    via = models.CharField(max_length=10)
    action = models.CharField(max_length=64)
    object_type = models.CharField(max_length=64)
    object_id = models.BigIntegerField()
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=128, blank=True)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["object_type", "object_id", "id"], name="accounts_audit_object"),
            models.Index(fields=["request_id"], name="accounts_audit_request"),
            models.Index(fields=["actor_user", "id"], name="accounts_audit_actor"),
            models.Index(
                fields=["actor_api_key", "id"],
                name="accounts_audit_key",
                condition=Q(actor_api_key__isnull=False),
            ),
            models.Index(fields=["action", "id"], name="accounts_audit_action"),
            models.Index(fields=["via", "id"], name="accounts_audit_via"),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"


class IdempotencyRecord(models.Model):
    """The first answer to a POST under an Idempotency-Key, answered again to its repeats.

    Written in the transaction of the effect: there is never one without the other. An effect that
    is one statement notes its row as `subject_id`; its answer follows as `body` once others need
    not wait for it. Until then the answer is what that row was when it was made.
    """

    client = models.CharField(max_length=32, help_text="user:<id> or key:<id>")
    operation = models.CharField(max_length=128, help_text="Method and path.")
    key = models.CharField(max_length=255)
    request_hmac = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    content_type = models.CharField(max_length=64)
    body = EncryptedText(null=True)
    subject_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["client", "operation", "key"], name="accounts_idempotencyrecord_once"
            ),
            models.CheckConstraint(
                name="accounts_idempotencyrecord_answers",
                condition=Q(body__isnull=False) | Q(subject_id__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="accounts_idempotency_age")]

    def __str__(self) -> str:
        return f"{self.client} {self.operation}"


class Job(models.Model):
    """Long work that somebody asked for. The row is the truth: whoever finds it undone goes on.

    It is done in steps, each in one transaction that also moves `done` and `place` on, so a step
    happens once whatever becomes of its worker. `params` and `result` hold no personal data. Of
    those with the same `once` one at a time is undone.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    actor = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    request_id = models.CharField(max_length=128, blank=True)
    once = models.CharField(max_length=100, null=True, help_text="What it alone may do now.")
    params = models.JSONField(default=dict)
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(null=True, help_text="Unknown where null.")
    place = models.JSONField(default=dict, help_text="Where the next step begins.")
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    tries = models.PositiveSmallIntegerField(
        default=0, help_text="Of the next step, by whatever worker."
    )
    lease_token = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="accounts_job_finished_iff_timed",
                condition=Q(state__in=["waiting", "running"], finished_at=None)
                | Q(state__in=["done", "failed", "cancelled"], finished_at__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["once"], name="accounts_job_once", condition=Q(finished_at=None)
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="accounts_job_undone", condition=Q(finished_at=None)),
            models.Index(
                fields=["finished_at"], name="accounts_job_failed", condition=Q(state="failed")
            ),
        ]

    def __str__(self) -> str:
        return self.title


class JobFile(models.Model):
    """A piece of the file a job makes. Kept a week."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="pieces")
    number = models.PositiveIntegerField()
    text = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="accounts_jobfile_once")
        ]

    def __str__(self) -> str:
        return f"Piece {self.number} of job {self.job_id}"


class JobInput(models.Model):
    """Rows that somebody brought for a job, as a JSON list: gone with the step that takes them.

    Of a job that ended before it took them all they are kept a week, so that it can go on. So are
    those that were left out at its start, each with the reason, for who asked for it.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="brought")
    is_left_out = models.BooleanField(default=False)
    number = models.PositiveSmallIntegerField()
    rows = EncryptedText()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["job", "is_left_out", "number"], name="accounts_jobinput_once"
            )
        ]

    def __str__(self) -> str:
        return f"Rows {self.number} of job {self.job_id}"
