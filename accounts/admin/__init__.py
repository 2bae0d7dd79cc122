"""People, pools, keys and trails in the admin."""

from accounts.admin import keys, pools, trails, users

__all__ = ["keys", "pools", "trails", "users"]
