"""The user's own datasets: a small list of cards in the user's configuration, read by every verb.

    [datasets]
    my-corpus = "/data/my-corpus/card.toml"

The list is `msabench/datasets.toml` in `$XDG_CONFIG_HOME` (`~/.config`), or the file that `MSABENCH_CARDS`
names. Worker processes inherit the environment, so they see the same datasets.
"""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

import tomli_w

from msabench.errors import SpecError

_HEADER = "# Datasets of your own: `msabench data add`, `msabench data add --remove NAME`.\n"
_read: dict[tuple[Path, int, int], dict[str, Path]] = {}  # by size and time; one list is read at a time


def place() -> Path:
    """Where the list is kept."""
    named = os.environ.get("MSABENCH_CARDS")
    if named:
        return Path(named)
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "msabench" / "datasets.toml"


def paths() -> dict[str, Path]:
    """Card files by dataset name; none where there is no list.

    Raises
    ------
    SpecError
        If the list cannot be read, or is no table of names and paths.
    """
    path = place()
    try:
        stat = path.stat()
    except OSError:
        return {}
    key = (path, stat.st_mtime_ns, stat.st_size)
    if key not in _read:
        _read.clear()
        _read[key] = _parse(path)
    return dict(_read[key])


def _parse(path: Path) -> dict[str, Path]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("datasets", {})
        if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
            raise ValueError("[datasets] must hold lines of the form name = 'path of the card'")
    except (OSError, ValueError) as error:  # of which TOML's and Unicode's errors are
        raise SpecError(
            f"the list of your own datasets cannot be read: {error}",
            where=str(path),
            fix="mend or delete it; `msabench data add` makes a new one",
        ) from error
    return {name: Path(value) for name, value in sorted(table.items())}


def write(cards: Mapping[str, Path]) -> None:
    """Replace the list, whole or not at all.

    Raises
    ------
    SpecError
        If it cannot be written.
    """
    path = place()
    text = _HEADER + tomli_w.dumps({"datasets": {name: str(card) for name, card in sorted(cards.items())}})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            file.write(text)
        Path(file.name).replace(path)
    except OSError as error:
        raise SpecError(
            f"the list of your own datasets cannot be written: {error.strerror or error}",
            where=str(path),
            fix="name another place with MSABENCH_CARDS",
        ) from error
