"""Where files go when the home is too deep for a socket, or closed to the servers' account."""

import os
import secrets
import shutil
import tempfile
from pathlib import Path

from promopulse.launcher.account import Account

# sockaddr_un.sun_path holds 108 bytes with its final NUL on Linux, 104 on macOS.
LONGEST_SOCKET_PATH = 103
LONGEST_SOCKET_NAME = len("/.s.PGSQL.5432")
# A server's log that is larger is put aside at the next start, one generation of it.
LARGEST_LOG = 10 * 1024 * 1024
# Outside the home only when root runs the project from a folder closed to everyone else.
OPEN_DATA_FOLDER = Path("/var/lib/promopulse")
# Of folders that are made below the system's temporary one.
_PREFIX = "promopulse-"


def make_home(home: Path) -> None:
    """Create the home folder: ours alone, save that root's servers run under another account."""
    home.mkdir(parents=True, exist_ok=True)
    if home.stat().st_uid == os.geteuid():
        home.chmod(0o711 if os.geteuid() == 0 else 0o700)
    logs = home / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    for log in logs.glob("*.log"):
        if log.stat().st_size > LARGEST_LOG:
            log.replace(log.with_suffix(".log.1"))


def data_folder(home: Path, name: str, account: Account) -> Path:
    """`home/name`, or the folder it points to when `account` cannot enter the home.

    The other folder has a random name kept as a link in the home: a new home with new secrets must
    never meet the data of an old one.
    """
    folder = home / name
    if folder.is_symlink():
        return folder.readlink()
    if folder.exists() or account.can_enter(home):
        return folder
    elsewhere = OPEN_DATA_FOLDER / secrets.token_hex(8)
    elsewhere.mkdir(parents=True)
    for open_folder in (elsewhere.parent, elsewhere):
        open_folder.chmod(0o711)
    folder.symlink_to(elsewhere / name)
    return elsewhere / name


def socket_folder(home: Path, name: str, account: Account) -> Path:
    """A 0700 folder of `account` for one server's socket, its path short enough for one.

    Below the system's temporary folder when the home is too deep or closed: made afresh under a
    name nobody can foresee, and trusted later only while it is still `account`'s own.
    """
    folder = home / name
    if folder.is_symlink():
        if _is_private(folder.readlink(), account):
            return folder.readlink()
        folder.unlink()
    if _fits(folder) and account.can_enter(home):
        folder.mkdir(mode=0o700, exist_ok=True)
        account.give(folder)
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    short = Path(tempfile.mkdtemp(prefix=_PREFIX))
    if not _fits(short):
        short.rmdir()
        short = Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))
    account.give(short)
    folder.symlink_to(short)
    return short


def drop_socket_folder(home: Path, name: str) -> None:
    """Take away the one that was made elsewhere for a server that has ended."""
    folder = home / name
    if folder.is_symlink() and folder.readlink().name.startswith(_PREFIX):
        shutil.rmtree(folder.readlink(), ignore_errors=True)
        folder.unlink()


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder)) + LONGEST_SOCKET_NAME <= LONGEST_SOCKET_PATH


def _is_private(folder: Path, account: Account) -> bool:
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    owner = os.geteuid() if account.uid is None else account.uid
    return status.st_uid == owner and status.st_mode & 0o170777 == 0o040700
