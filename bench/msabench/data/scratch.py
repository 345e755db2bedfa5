"""Folders and files that are made under another name and renamed when whole.

What killed processes left of them is removed by the next one that makes something there.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

_ABANDONED = 24 * 3600.0
"""Seconds without a change after which nobody is building any more, whoever it was"""
_NAME = re.compile(r"\.(?P<folder>[0-9a-f]{16}.*?)-(?:(?P<pid>\d+)@(?P<host>[^@]+)-)?[^-]+")
_FILE = re.compile(r"\..+?-(?:(?P<pid>\d+)@(?P<host>[^@]+)-)?[0-9a-f]{8}\.[a-z]+")


@contextlib.contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` to build it in; gone afterwards, unless it was renamed.

    The caller holds the lock `<folder>.lock`. What processes that no longer run have left there is removed.
    """
    sweep(folder.parent, held=folder.name)
    owner = f"{os.getpid()}@{_host()}"
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-{owner}-", dir=folder.parent))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def sweep(root: Path, held: str = "") -> None:
    """Remove unfinished folders whose builder is dead, or that nobody has touched for a day.

    Parameters
    ----------
    root
        Where they are.
    held
        The folder whose lock the caller holds. One whose lock another process holds is left alone: it is
        being built, perhaps in a container whose process numbers are not ours.
    """
    for path in root.glob(".*"):
        match = _NAME.fullmatch(path.name)
        if match is None or not path.is_dir() or not _is_stale(path, match["pid"], match["host"]):
            continue
        if match["folder"] == held:
            shutil.rmtree(path, ignore_errors=True)
            continue
        with _lock_if_free(root / f"{match['folder']}.lock") as free:
            if free:
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The name of a new file beside `path`, which becomes `path` when the block ends without an error.

    Folders that are missing are made. Files that dead or idle processes left unfinished there are removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(".*"):
        match = _FILE.fullmatch(left.name)
        if match is not None and left.is_file() and _is_stale(left, match["pid"], match["host"]):
            left.unlink(missing_ok=True)
    made = path.with_name(f".{path.stem}-{os.getpid()}@{_host()}-{uuid4().hex[:8]}{path.suffix}")
    try:
        yield made
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)


def _is_stale(path: Path, pid: str | None, host: str | None) -> bool:
    if pid is not None and host == _host():
        import psutil

        if not psutil.pid_exists(int(pid)):
            return True
    try:
        within = list(path.iterdir()) if path.is_dir() else []
        changed = max(each.stat().st_mtime for each in (path, *within))
    except OSError:
        return False  # another process is removing it
    return time.time() - changed > _ABANDONED


@contextlib.contextmanager
def _lock_if_free(path: Path) -> Iterator[bool]:
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError, NotImplementedError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _host() -> str:
    return socket.gethostname().replace("@", "_")
