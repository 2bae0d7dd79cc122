"""Measurements of each path beside its physical limit; see `make bench`."""
