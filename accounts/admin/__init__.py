"""People, pools, keys and trails in the admin."""

from django.contrib import admin
from django.contrib.auth.models import Group

from accounts.admin import jobs, keys, pools, trails, users

__all__ = ["jobs", "keys", "pools", "trails", "users"]

admin.site.unregister(Group)  # who may do what is a role; a group would do nothing
