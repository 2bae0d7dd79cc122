"""Engagement in the admin. Facts are read; letters are handled through their services."""

from engagement.admin import facts, letters

__all__ = ["facts", "letters"]
