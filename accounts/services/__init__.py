"""Every write about people, sessions and pools."""
