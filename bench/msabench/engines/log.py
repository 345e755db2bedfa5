"""The log of a run: all that its process prints, in Python and in C, kept in a file of the study's folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OUTPUT, ERRORS = 1, 2
"""File descriptors of this process"""


@contextmanager
def kept_log(path: Path) -> Iterator[None]:
    """Send this process's output to the end of a file; a file that stays empty is removed.

    It works on the descriptors, so that messages of C libraries and of `faulthandler` are kept as well.
    Where the file cannot be opened, output goes where it went before.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:
        yield
        return
    _flush()
    before = [os.dup(OUTPUT), os.dup(ERRORS)]
    try:
        os.dup2(log, OUTPUT)
        os.dup2(log, ERRORS)
        yield
    finally:
        _flush()
        for kept, descriptor in zip(before, (OUTPUT, ERRORS), strict=True):
            os.dup2(kept, descriptor)
            os.close(kept)
        empty = os.fstat(log).st_size == 0
        os.close(log)
        if empty:
            path.unlink(missing_ok=True)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a full disk, a closed stream
            stream.flush()
