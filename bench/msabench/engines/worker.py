"""A worker process of the local engine: it performs one job after another until its driver ends it."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from msabench.engines.job import attempt

READY = "ready"
"""A worker's first message: from now on its time is a run's"""
WHERE_IT_IS = signal.SIGUSR1
"""Has a worker write the Python stack of each of its threads into its log, also amid a call in C"""
_PR_SET_PDEATHSIG = 1  # prctl(2)
_MORE_LIKELY = "500"  # proc(5): to be killed than its driver, when memory runs out


def serve(connection: Connection, driver: int) -> None:
    """Perform the jobs that come through the connection, and answer each with its `Ended`.

    Parameters
    ----------
    driver
        Process id of the driver: a worker leaves with it, however that ended.
    """
    _leave_with(driver)
    # Ctrl-C is the driver's to handle; it ends the workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable(all_threads=True)
    faulthandler.register(WHERE_IT_IS, all_threads=True)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_MORE_LIKELY)
    import msabench.train  # noqa: F401  # torch takes seconds, and none of them is a run's

    connection.send(READY)
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(attempt(job))


def _leave_with(driver: int) -> None:
    """A worker whose driver was killed must not go on training for nobody."""
    with suppress(OSError, AttributeError):  # Linux alone knows the call
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    threading.Thread(target=_watch, args=(driver,), daemon=True).start()


def _watch(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(1)
    os._exit(1)
