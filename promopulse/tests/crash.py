"""A process that comes to harm: `python -m promopulse.tests.crash PLACE CELERY-ARGUMENTS`

PLACE is `module:function`, or `module:Class.method`: whoever comes there is killed as by `kill -9`.
With CRASH_PARENT set it is the process that started it, once, and the function goes on. Of several
places with commas between them, it is the next one to come to that which the file CRASH_NEXT names.
PLACE can also be `poison:HARM`: then every event whose id begins with "poison" does that harm. The
file CRASH_MARK gets a line each time it happens; with poison, each time it happens to an event
alone.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any


def arm(place: str, parent: int) -> None:
    """Prepare this process, and those it forks, to come to harm; `parent` started them."""
    module, _, name = place.partition(":")
    if module == "poison":
        from engagement.processing import statement
        from engagement.tests.poison import poisoned

        statement._run = poisoned(name, when_alone=_mark)
    elif "," in place:
        for one in place.split(","):
            _replace(one, partial(_dying_if_named, place=one))
    elif "CRASH_PARENT" in os.environ:
        _replace(place, partial(_killing_parent, parent=parent))
    else:
        _replace(place, lambda act: _die)


def _replace(place: str, harmful: Callable[[Any], Any]) -> None:
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    found: Any = importlib.import_module(module)
    for owner in owners:
        found = getattr(found, owner)
    setattr(found, name, harmful(getattr(found, name)))


def _mark() -> None:
    with Path(os.environ["CRASH_MARK"]).open("a") as file:
        file.write(f"{os.getpid()}\n")


def _die(*_args: Any, **_kwargs: Any) -> None:
    _mark()
    os.kill(os.getpid(), signal.SIGKILL)


def _dying_if_named(act: Callable[..., Any], place: str) -> Callable[..., Any]:
    def die_or_go_on(*args: Any, **kwargs: Any) -> Any:
        following = Path(os.environ["CRASH_NEXT"])
        with suppress(FileNotFoundError):
            if following.read_text() == place:
                following.unlink()
                _die()
        return act(*args, **kwargs)

    return die_or_go_on


def _killing_parent(act: Callable[..., Any], parent: int) -> Callable[..., Any]:
    def kill_and_go_on(*args: Any, **kwargs: Any) -> Any:
        if not Path(os.environ["CRASH_MARK"]).exists():
            _mark()
            os.kill(parent, signal.SIGKILL)
        return act(*args, **kwargs)

    return kill_and_go_on


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "promopulse.settings")
    import django
    from celery.__main__ import main

    django.setup()
    arm(sys.argv.pop(1), parent=os.getpid())
    main()
