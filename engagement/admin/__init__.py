"""Engagement in the admin. Facts are read; letters are handled through their services."""

from engagement.admin import facts, letters, on_jobs, on_promotions, on_users, stats

__all__ = ["facts", "letters", "on_jobs", "on_promotions", "on_users", "stats"]
