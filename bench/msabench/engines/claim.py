"""One process at a time trains a run: a lock beside its checkpoint, let go of when its holder ends.

Two drivers, or an array element and a local driver beside it, may have the same job. Each would leave the
same record; what they must not do is write one checkpoint at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from msabench.errors import write_errors


@contextmanager
def claim(folder: Path, key: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold a run; yields whether it is held.

    Parameters
    ----------
    folder
        Of unfinished runs, made if it is not there.
    wait
        Until another process lets go of it. Without, yields False if another has it.

    Raises
    ------
    WriteError
        If the folder cannot be written to.
    """
    path = folder / f"{key}.lock"
    # a singleton, so that one process may claim a run inside a claim of its own
    lock = FileLock(path, is_singleton=True)
    try:
        with write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        if lock.lock_counter == 1:
            # one who waits for it finds the record; one who comes later makes a new file
            path.unlink(missing_ok=True)
        lock.release()
