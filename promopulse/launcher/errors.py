class LauncherError(Exception):
    """Something a person must put right; its message is the whole explanation shown to them."""
