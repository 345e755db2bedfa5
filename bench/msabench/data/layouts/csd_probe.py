"""Looks at HDF5 files in a process of their own before they are read in this one.

Of a damaged file the HDF5 library can loop for ever or crash the process, where no exception helps. So
another process opens every group, array and index of chunks first, all but the values, and is ended when it
stops telling that it gets on.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from msabench.data.layouts.csd_file import ComputationalSequence
from msabench.errors import DataError

PATIENCE = 60.0
"""Seconds that one call of the library may take, on a slow disk"""
_MAIN = f"from {__name__} import main; main()"
_AGAIN = "get the file again from its owners (see CMU-MultimodalSDK)"


def probe(paths: Sequence[Path]) -> None:
    """Find out whether the HDF5 library survives these files.

    Whatever else is wrong with them is left to the reader.

    Raises
    ------
    DataError
        If the library hangs or crashes on one of them.
    """
    command = [sys.executable, "-c", _MAIN, *map(str, paths)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=_forward, args=(child, lines), daemon=True).start()
        at = 0
        try:
            while (line := lines.get(timeout=PATIENCE)) is not None:
                at += line == b"next\n"
        except queue.Empty:
            child.kill()
            raise _unfit("never ends", paths[at]) from None
    # 0 and nothing else: a library that crashes leaves a signal's number, or what its abort makes
    if child.returncode:
        raise _unfit("crashes", paths[min(at, len(paths) - 1)])


def _forward(child: subprocess.Popen[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        lines.put(line)
    lines.put(None)


def _unfit(what: str, path: Path) -> DataError:
    return DataError(
        f"refused: the file is damaged so that the HDF5 library {what} over it", where=str(path), fix=_AGAIN
    )


def main() -> None:
    """In the other process: touch all of the files but their values."""
    for argument in sys.argv[1:]:
        _look(Path(argument))
        print("next", flush=True)


def _look(path: Path) -> None:
    try:
        with ComputationalSequence(path) as sequence:
            for _ in sequence.touch():
                print(flush=True)
    except DataError:
        return  # which the reader will meet, too
