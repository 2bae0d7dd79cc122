"""A worker that comes to harm: `python -m promopulse.tests.crash PLACE CELERY-ARGUMENTS`

PLACE is `module:function`, which is replaced by one that kills its process as `kill -9` would, or
`poison:HARM`, with which every event whose id begins with "poison" does that harm.
"""

import importlib
import os
import signal
import sys
from typing import Any


def arm(place: str) -> None:
    """Prepare this process, and those it forks, to come to harm."""
    module, _, name = place.partition(":")
    if module == "poison":
        from engagement.processing import statement
        from engagement.tests.poison import poisoned

        statement._run = poisoned(name)
    else:
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
