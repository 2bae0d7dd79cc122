"""A worker that dies at a named place: `python -m promopulse.tests.crash MODULE:FUNCTION ...`

The function is replaced by one that kills its process as `kill -9` would, so the place is just
before it. The rest of the arguments are Celery's.
"""

import importlib
import os
import signal
import sys
from typing import Any


def arm(place: str) -> None:
    """Make this process, and those it forks, die where `module:function` would be called."""
    module, name = place.split(":")
    setattr(importlib.import_module(module), name, _die)


def _die(*_args: Any, **_kwargs: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "promopulse.settings")
    import django
    from celery.__main__ import main

    django.setup()
    arm(sys.argv.pop(1))
    main()
