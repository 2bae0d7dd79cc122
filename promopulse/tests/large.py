"""A world with large tables, made by the database itself: rows by `generate_series`.

A million events of 100 promotions and 20,000 people over the last three weeks, what was counted
of them, 200,000 coupons of one book, 100,000 opt-ins and entries of the trail, 5,000 letters (their
groups are counted whenever they are shown: there is no rollup of them).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection
from django.db.backends.utils import CursorWrapper

from accounts.tests.factories import UserFactory
from engagement import partitions
from promopulse.lib.time import db_now
from promotions.coupons.models import PLACE_BITS
from promotions.coupons.tests.factories import BookFactory
from promotions.tests.factories import ActivePromotionFactory

EVENTS, PEOPLE, COUPONS = 1_000_000, 20_000, 200_000
PROMOTIONS, LETTERS = 100, 5_000
DAYS = 21

_FILL = f"""
INSERT INTO accounts_user
    (password, name, source_id, role, metadata, is_active, may_reveal, token_version, created_at)
SELECT '!', 'Guest ' || n, 'large:' || n, 'customer', '{{}}', true, false, 0, now()
FROM generate_series(1, {PEOPLE}) n;

INSERT INTO subscriptions_subscription
    (user_id, promotion_id, is_active, subscribed_at, metadata)
SELECT person.id, promotion.id, true, now() - interval '30 days', '{{}}'
FROM (SELECT id FROM accounts_user WHERE source_id LIKE 'large:%%') person,
    (SELECT id FROM promotions_promotion ORDER BY id LIMIT 5) promotion;

INSERT INTO engagement_event
    (id, event_id, type, promotion_id, user_id, occurred_at, received_at, amount)
SELECT {EVENTS} + 1 - n, 'large-' || n,
    (ARRAY['VIEW', 'VIEW', 'VIEW', 'CLICK', 'REDEEM'])[n %% 5 + 1],
    %(promotion)s + n %% {PROMOTIONS}, %(person)s + n %% {PEOPLE},
    now() - n * interval '{DAYS} days' / {EVENTS}, now(), CASE WHEN n %% 5 = 4 THEN 5 END
FROM generate_series({EVENTS}, 1, -1) n;

INSERT INTO engagement_processedevent (event_id, digest, fact_id)
SELECT event_id, id, id FROM engagement_event WHERE event_id LIKE '%%0';

INSERT INTO engagement_eventstat (promotion_id, type, hour, events, new_users, amount)
SELECT promotion_id, type, date_trunc('hour', occurred_at, 'UTC'), count(*), 0,
    coalesce(sum(amount), 0)
FROM engagement_event GROUP BY 1, 2, 3;

INSERT INTO engagement_deadletterevent
    (event_id, digest, batch_id, payload, type, promotion_id, user_id, occurred_at, received_at,
     cause, detail, fingerprint, attempts, history, state, state_reason, dead_at)
SELECT 'dead-' || n, n, 1, '{{}}', 'VIEW', %(promotion)s + n %% {PROMOTIONS}, NULL, now(), now(),
    'promotion_not_active', 'Not active.', 'promotion_not_active:' || n %% 50, 1, '[]', 'open', '',
    now()
FROM generate_series(1, {LETTERS}) n;

INSERT INTO accounts_auditentry
    (at, via, action, object_type, object_id, before, after, reason, request_id)
SELECT now(), 'api', 'user.update', 'user', n, '{{}}', '{{}}', '', 'large-' || n
FROM generate_series(1, 100000) n;

INSERT INTO coupons_codebatch
    (book_id, kind, status, total, done, max_redemptions, pattern, charset, shape)
VALUES (%(book)s, 'upload', 'running', {COUPONS}, 0, 1, '', '', '');
UPDATE coupons_couponbook SET places = {COUPONS} WHERE id = %(book)s;
INSERT INTO coupons_coupon (book_id, batch_id, code, state, max_redemptions, uses, draw_key)
SELECT %(book)s, (SELECT max(id) FROM coupons_codebatch), 'LARGE' || n, 'UNASSIGNED', 1, 0,
    (%(book)s::bigint << {PLACE_BITS}) + n - 1
FROM generate_series(1, {COUPONS}) n;
"""
_TABLES = (
    "accounts_user subscriptions_subscription engagement_event engagement_processedevent "
    "engagement_eventstat engagement_deadletterevent accounts_auditentry coupons_coupon"
).split()


def fill() -> None:
    """Fill the tables within the caller's transaction, whose end may take all of it away."""
    people = UserFactory.create()
    promotions = ActivePromotionFactory.create_batch(PROMOTIONS)
    partitions.ensure((db_now() - timedelta(days=ago)).date() for ago in (DAYS + 1, 0))
    given = {
        "promotion": promotions[0].pk,
        "person": people.pk + 1,
        "book": BookFactory.create().pk,
    }
    with connection.cursor() as cursor, _indexes_made_afterwards(cursor):
        cursor.execute(_FILL, given)
    with connection.cursor() as cursor:
        for table in _TABLES:
            cursor.execute(f"ANALYZE {table}")


@contextmanager
def _indexes_made_afterwards(cursor: CursorWrapper) -> Iterator[None]:
    """Of the events: a row at a time they take several times as long."""
    cursor.execute(
        "SELECT indexname, replace(indexdef, ' ON ONLY ', ' ON ') FROM pg_indexes "
        "WHERE tablename = 'engagement_event'"
    )
    indexes = cursor.fetchall()
    for name, _definition in indexes:
        cursor.execute(f'DROP INDEX "{name}"')
    yield
    for _name, definition in indexes:
        cursor.execute(definition)
