"""What became of a replay, told by the headers of its batches."""

from dataclasses import dataclass

from promopulse.lib import sql

_OUTCOME = """
SELECT coalesce(sum(processed), 0), coalesce(sum(duplicates + conflicts), 0),
    coalesce(sum(dead + retrying), 0),
    coalesce(sum(accepted - processed - duplicates - conflicts - retrying - dead), 0)
FROM engagement_ingestbatch WHERE id = ANY(%(batches)s::bigint[])
"""


@dataclass(frozen=True)
class Outcome:
    """Events of a replay: counted, found counted before, dead again, and those that still wait."""

    counted: int
    already_counted: int
    refused_again: int
    waiting: int


def outcome_of(batches: list[int]) -> Outcome:
    """How far the replay with these batches is."""
    return Outcome(*map(int, sql.fetch_one(_OUTCOME, {"batches": batches})))
