"""Errors that a researcher can act on: what is wrong, where, what was expected, how to mend it."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class MsabenchError(Exception):
    """Bad input or a missing thing. The command line prints its message alone, without a trace.

    Parameters
    ----------
    what
        One sentence: what is wrong, with the value that is wrong.
    where
        File, split, key, sample id: as much as is known.
    fix
        What to do next.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        lines = [what, where and f"  where: {where}", fix and f"  to mend it: {fix}"]
        super().__init__("\n".join(line for line in lines if line))

    def __reduce__(self) -> tuple[object, ...]:
        # worker processes send these to the driver; the default would lose the keywords
        return _rebuild, (type(self), self.what, self.where, self.fix)

    def __str__(self) -> str:
        return str(self.args[0])


def _rebuild(cls: type[MsabenchError], what: str, where: str, fix: str) -> MsabenchError:
    return cls(what, where=where, fix=fix)


class DataError(MsabenchError):
    """A feature file that is missing, unreadable, unsafe or unsound."""


class SpecError(MsabenchError):
    """Settings that contradict each other or name something unknown."""


class WriteError(MsabenchError):
    """Results that cannot be written: the disk is full or read-only, or permission is missing."""


_SPACE = "make room and run the same command again: what is recorded stays, and unfinished runs go on"
_PERMISSION = "make the folder writable, or name another with --results-root"
_IN_THE_WAY = "name another folder, or move the file away"
_REFUSED = {
    errno.ENOSPC: ("the disk is full", _SPACE),
    errno.EDQUOT: ("the disk quota is used up", _SPACE),
    errno.EFBIG: ("a file would become larger than the system allows this process", _SPACE),
    errno.EIO: ("the disk reports an error", "check the disk, then run the same command again"),
    errno.EROFS: ("the disk is read-only", _PERMISSION),
    errno.EACCES: ("the permission is missing", _PERMISSION),
    errno.EPERM: ("the permission is missing", _PERMISSION),
    errno.ENOTDIR: ("a file lies where a folder is needed", _IN_THE_WAY),
    errno.EEXIST: ("a file lies where a folder is needed", _IN_THE_WAY),
}


@contextmanager
def write_errors(where: Path | None = None) -> Iterator[None]:
    """Within it, what a disk refuses is a `WriteError`; other errors of the system pass through."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        if error.errno == errno.EACCES and error.filename and _unreadable(Path(error.filename)):
            raise DataError(
                "cannot read: the permission is missing", where=str(error.filename), fix="make it readable"
            ) from error
        why, fix = _REFUSED[error.errno]
        raise WriteError(f"cannot write: {why}", where=str(error.filename or where or ""), fix=fix) from error


def _unreadable(path: Path) -> bool:
    return path.exists() and not os.access(path, os.R_OK)


class UnknownName(SpecError, KeyError):
    """A name that nothing bears; a KeyError too, so that `name in METHODS` answers."""


def unknown(kind: str, name: str, known: Iterable[str], listing: str = "") -> UnknownName:
    """The error for a name that nothing bears, with the nearest one that exists.

    >>> print(unknown("dataset", "mosii", ["mosi", "sims"], "msabench list datasets"))
    unknown dataset 'mosii'; did you mean 'mosi'?
      to mend it: msabench list datasets
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    guess = f"; did you mean '{near[0]}'?" if near else f"; known are: {', '.join(names) or 'none'}"
    return UnknownName(f"unknown {kind} '{name}'{guess}", fix=listing)
