"""Where an interrupted run goes on from, with the same result to the last bit.

A file that cannot be trusted is never used: the run then begins anew, which costs time and changes nothing.
"""

from __future__ import annotations

import zipfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from msabench.trainer import Trainer

_SPARING = 20
"""Times as long as a checkpoint takes to write, it is not written again"""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The file of one run, and how often it is written.

    After each epoch, unless writing would take more than a twentieth of the time: then as soon as it does
    not, and at the latest after so many seconds.
    """

    path: Path
    run: str
    """Key of the run"""
    every_seconds: float = 60.0

    def due(self, since: float, cost: float) -> bool:
        """Whether to write, so many seconds after the last time, which took `cost` seconds."""
        return since >= min(self.every_seconds, _SPARING * cost)

    def write(self, trainer: Trainer) -> None:
        """Replace the file, whole or not at all; a disk that refuses costs the checkpoint, not the run."""
        temporary = self.path.with_suffix(".tmp")
        try:
            torch.save({"made": self._made(trainer), **trainer.state()}, temporary)
            temporary.replace(self.path)
        except (OSError, RuntimeError) as error:  # the latter is what torch makes of a full disk
            print(f"no checkpoint after epoch {trainer.log.epochs}: {error}", flush=True)
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def restore(self, trainer: Trainer) -> str:
        """Bring a trainer to where the file ends, if there is one.

        Returns
        -------
        Why the file cannot be used; the trainer then holds parts of it, and is of no use either.
        """
        if not self.path.exists():
            return ""
        try:
            # torch takes a file with a flipped bit for sound; the sums that it writes tell
            with zipfile.ZipFile(self.path) as file:
                if damaged := file.testzip():
                    return f"{damaged} is damaged"
            state = torch.load(self.path, map_location=trainer.device, weights_only=True)
            made, here = state.pop("made", {}), self._made(trainer)
            odd = [name for name, value in here.items() if made.get(name) != value]
            if odd:
                return ", ".join(f"{name} is {made.get(name)}, here {here[name]}" for name in odd)
            trainer.restore(state)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # whatever a file may hold that another wrote, or that nobody wrote whole
            return " ".join([f"{type(error).__name__}:", *str(error).strip().splitlines()[:1]])
        return ""

    def _made(self, trainer: Trainer) -> dict[str, Any]:
        """What must agree, or epochs of several kinds would stand in one record."""
        return {
            "run": self.run,
            "msabench": version("msabench"),
            "torch": str(torch.__version__),
            "device": trainer.device.type,
        }
