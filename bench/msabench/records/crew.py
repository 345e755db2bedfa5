"""Spreads a function over processes of this machine, for thousands of records.

The processes are plain children that are spoken to through their pipes: they load nothing of the caller's own
script (so that notebooks and scripts without a guard may use this), hold no lock of it, and end when it does.
Whatever goes wrong with them, the caller works it out itself.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any, TypeVar

Result = TypeVar("Result")

FEWEST = 1000
"""Calls below which starting processes costs more than it saves"""
MOST = 8
"""Processes; beyond, the disk and the caller are what is waited for"""
_AT_ONCE = 100
"""Calls in one message"""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_START = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from msabench.records.crew import serve; serve()"
)


def spread(function: Callable[..., Result], calls: Sequence[tuple[Any, ...]]) -> Iterator[Result]:
    """Results of many calls, in their order; by several processes where there are many and cores to use.

    Parameters
    ----------
    function
        Of a module of msabench; its arguments and results can be pickled, and it changes nothing.
    calls
        The arguments of each.

    Raises
    ------
    Whatever a call raises, when its turn has come.
    """
    size = min(MOST, cores())
    if len(calls) < FEWEST or size < 2:
        yield from (function(*each) for each in calls)
        return
    members = [_Member() for _ in range(size)]
    parts = [calls[start : start + _AT_ONCE] for start in range(0, len(calls), _AT_ONCE)]
    with contextlib.ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(size))
        for member in members:
            stack.callback(member.end)  # first: a thread that waits for one then goes on
        free = list(members)  # a thread takes one and puts it back: lists are safe for that

        def work(part: Sequence[tuple[Any, ...]]) -> list[Any]:
            member = free.pop()
            try:
                return member.ask(function, part)
            finally:
                free.append(member)

        asked: list[Future[list[Any]]] = [threads.submit(work, part) for part in parts]
        stack.callback(lambda: [each.cancel() for each in asked])
        for part, answer in zip(parts, asked, strict=True):
            for call, said in zip(part, answer.result(), strict=True):
                # also where a process knows less than this one does, or found an error: it is raised here
                yield said[0] if said else function(*call)


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


class _Member:
    """One process; without it, answers are empty."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **dict.fromkeys(_THREADS, "1")},
            )
            with contextlib.suppress(OSError):
                self._send(sys.path)

    def ask(self, function: Callable[..., Any], part: Sequence[tuple[Any, ...]]) -> list[Any]:
        """For each call its result in a tuple, or an empty one."""
        try:
            self._send((function, part))
            answers: list[Any] = pickle.load(self._pipes()[1])
            return answers
        except Exception:  # it died, or half a message came: the caller does the work
            self.end()
            return [()] * len(part)

    def end(self) -> None:
        """It has nothing to lose."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _send(self, message: Any) -> None:
        pipe, _ = self._pipes()
        pickle.dump(message, pipe, pickle.HIGHEST_PROTOCOL)
        pipe.flush()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise BrokenPipeError("the process has ended")
        return process.stdin, process.stdout


def serve() -> None:
    """What a process of the crew does until its pipe ends."""
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # nothing else may get into the answers
    while True:
        try:
            function, part = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump([_tried(function, each) for each in part], answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()


def _tried(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    try:
        return (function(*arguments),)
    except Exception:
        return ()
