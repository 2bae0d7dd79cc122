"""The secrets of one instance: each made once, kept in a file only its owner can read."""

import base64
import os
import secrets
import string
import tempfile
from collections.abc import Callable
from pathlib import Path

_ALPHABET = string.ascii_letters + string.digits


def _random_text() -> str:
    return secrets.token_urlsafe(48)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _api_key() -> str:
    prefix, secret = (
        "".join(secrets.choice(_ALPHABET) for _ in range(length)) for length in (12, 43)
    )
    return f"pp_{prefix}_{secret}"


_MAKERS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": _random_text,
    "FERNET_KEYS": _fernet_key,
    "BLIND_INDEX_KEY": _random_text,
    "JWT_SIGNING_KEY": _random_text,
    "IDEMPOTENCY_KEY_SECRET": _random_text,
}
NAMES = tuple(_MAKERS)


def ensure(home: Path, *, demo: bool = False) -> dict[str, str]:
    """Return this instance's secrets, making those that do not exist yet.

    A secret given in the environment is left where it came from: neither made nor written down.
    """
    makers = _MAKERS | ({"DEMO_API_KEY": _api_key} if demo else {})
    folder = home / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        name: _read_or_make(folder / name, make)
        for name, make in makers.items()
        if not os.environ.get(name)
    }


def write_private(file: Path, text: str) -> None:
    """Replace a file's content in one step; only its owner can read it."""
    temporary = _private_temporary(file, text)
    temporary.replace(file)


def _read_or_make(file: Path, make: Callable[[], str]) -> str:
    if not file.exists():
        temporary = _private_temporary(file, make())
        try:
            # A link never replaces: of two processes that start at once, the first one's stays.
            os.link(temporary, file)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return file.read_text(encoding="ascii").strip()


def _private_temporary(file: Path, text: str) -> Path:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # mode 0600
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(handle)
    return Path(name)
