"""The log of a run: all that its process prints, in Python and in C, kept in a file of the study's folder."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TextIO

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
        with redirect_stdout(_stream(OUTPUT)), redirect_stderr(_stream(ERRORS)):
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


class _Forgiving(io.FileIO):
    """What a full disk refuses is dropped: a run must not fail by what it prints."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def _stream(descriptor: int) -> TextIO:
    """Writes each line at once, or a kill would lose the last ones."""
    raw = io.BufferedWriter(_Forgiving(descriptor, "wb", closefd=False))
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a full disk, a closed stream
            stream.flush()
