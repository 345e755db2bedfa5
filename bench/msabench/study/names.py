"""Datasets and seeds as a command line names them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msabench.data import match
from msabench.errors import SpecError

FIRST_SEED = 1111
"""Studies of this field count their seeds from here."""


def checked_name(name: str) -> str:
    """A study's name, which is that of its folder below the results root.

    Raises
    ------
    SpecError
        If it leads elsewhere, begins with a dot or a minus sign, or holds what a folder's name should not.

    >>> checked_name("mosi-2.1")
    'mosi-2.1'
    """
    if not re.fullmatch(r"[\w+][\w.+-]*", name):
        raise SpecError(
            f"study name {name!r} is no folder name: use letters, digits, . _ + -",
            fix="it names a folder below the results root, which --results-root sets",
        )
    return name


def expand_datasets(names: str | Sequence[str], *, twin: bool = False) -> tuple[str, ...]:
    """Names and wildcards, separated by commas, as canonical `dataset:variant`.

    With `twin`, `all` is every dataset that has a twin.
    """
    parts = names.split(",") if isinstance(names, str) else names
    found = [name for part in parts if part.strip() for name in match(part.strip(), twin=twin)]
    return tuple(dict.fromkeys(found))


def expand_seeds(text: str | int) -> tuple[int, ...]:
    """A count (`5`: 1111 to 1115), a range (`1-3`) or a list (`1,2,7`, `1111,` for one seed).

    Raises
    ------
    SpecError
        If the text is none of these.

    >>> expand_seeds("3"), expand_seeds("1,5"), expand_seeds("7-9")
    ((1111, 1112, 1113), (1, 5), (7, 8, 9))
    """
    text = str(text).strip()
    if re.fullmatch("0+", text):
        raise SpecError("a study of 0 seeds trains nothing", fix="as in --seeds 5; the seed 0 alone is '0,'")
    if re.fullmatch(r"\d{1,3}", text):
        return tuple(range(FIRST_SEED, FIRST_SEED + int(text)))
    seeds: list[int] = []
    for part in filter(None, text.split(",")):
        numbers = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not numbers:
            raise SpecError(f"seeds '{text}' are not a count (5), a range (1-3) or a list (1,2,7)")
        first, last = int(numbers[1]), int(numbers[2] or numbers[1])
        seeds += range(first, last + 1)
    if not seeds:
        raise SpecError(f"seeds '{text}' name no seed")
    return tuple(dict.fromkeys(seeds))
