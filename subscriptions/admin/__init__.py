"""Subscriptions in the admin: facts to look up, and what staff may do to them."""

from subscriptions.admin import on_pages, subscriptions

__all__ = ["on_pages", "subscriptions"]
