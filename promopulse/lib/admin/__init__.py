"""The base of the admin: one class, lists that stay quick, exports, how things are shown."""

from promopulse.lib.admin.base import BaseAdmin, BaseInline, ReadOnlyAdmin
from promopulse.lib.admin.lists import (
    BoundedPaginator,
    ExactIdSearch,
    KeysetList,
    OneOf,
    one_of,
    whole_id,
)

__all__ = [
    "BaseAdmin",
    "BaseInline",
    "BoundedPaginator",
    "ExactIdSearch",
    "KeysetList",
    "OneOf",
    "ReadOnlyAdmin",
    "one_of",
    "whole_id",
]
