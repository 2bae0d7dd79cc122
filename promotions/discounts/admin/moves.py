"""Moves of a promotion that are more where it gives a discount."""

from dataclasses import replace

from promotions.admin.moves import MOVES
from promotions.discounts import services

MOVES["duplicate"] = replace(
    MOVES["duplicate"],
    says="A new draft with the same window, audience, discount and budget total, nothing used.",
    do=lambda pk, _version, given: services.duplicate(pk, reason=given["reason"]),
)
