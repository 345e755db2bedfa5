"""What a pickle from a stranger may ask for: no more memory than its size accounts for, nothing endless."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

SHARE = 16
"""Bytes of memory that a byte of file may ask for; a short string, the worst of what is honest, needs 12"""
BASE = 64 << 20
"""Bytes of memory that any file may ask for"""
DEPTH = 32
"""Containers within containers; feature files nest five or six deep"""
_SLOT = 8
_WORDS = 80

_LEAVES = frozenset({int, float, complex, bool, type(None), str, bytes, bytearray})
_CONTAINERS = frozenset({list, tuple, dict, OrderedDict, set, frozenset})


class Refused(Exception):
    """The pickle asks for something that is not an array or a plain container, or for too much of it."""


class Damaged(Exception):
    """The file is no pickle that any writer makes."""


class Truncated(Exception):
    """The file ends within an instruction."""


class Budget:
    """Counts the memory that reading a file takes, and stops where no honest file would have got to.

    Parameters
    ----------
    size
        Of the file in bytes.
    """

    __slots__ = ("limit", "size", "spent")

    def __init__(self, size: int) -> None:
        self.size = size
        self.limit = SHARE * size + BASE
        self.spent = 0

    def charge(self, amount: int) -> None:
        """Count bytes before they are taken.

        Raises
        ------
        Refused
            If they are too many.
        """
        self.spent += amount
        if self.spent > self.limit:
            raise self._excess("")

    def check(self, amount: int) -> None:
        """Refuse a value that would fill more than the limit, were each of its parts stored apart."""
        if amount > self.limit:
            raise self._excess(" once its repetitions are written out")

    def _excess(self, when: str) -> Refused:
        return Refused(f"over {self.limit >> 20} MiB of memory{when}, with {self.size} bytes in the file")


def short(value: object) -> str:
    """A value for a message, at most a line of it; of containers, those of a few plain values alone."""
    if isinstance(value, str | bytes):
        value = value[:_WORDS]
    elif isinstance(value, tuple) and not (len(value) < _WORDS and all(type(n) is int for n in value)):
        return f"a tuple of {len(value)}"  # whose repr may be endless
    elif not isinstance(value, int | float | tuple | None):
        return f"a {type(value).__name__}"
    text = repr(value)
    return text if len(text) <= _WORDS else f"{text[:_WORDS]}…"


def check_key(key: object) -> Any:
    """A dict's key or a set's element: a number, a string or a flat tuple of these.

    Anything nested is refused, since hashing it may take for ever or exhaust the stack.
    """
    kind = type(key)
    if kind in _LEAVES and kind is not bytearray:
        return key
    if kind is tuple and all(type(part) in _LEAVES and type(part) is not bytearray for part in key):  # type: ignore[attr-defined]
        return key
    if isinstance(key, np.generic):
        return key
    raise Refused(f"a {kind.__name__} as the key of a dict or in a set")


def check_result(root: object, budget: Budget) -> None:
    """Walk what was read: plain values only, no cycles, not too deep, and no growth through repetition.

    A list may hold another ten times over, and that one a third ten times: small to keep, but without bounds
    for whoever copies it into an array.

    Raises
    ------
    Refused
        Naming what does not belong there.
    """
    weights: dict[int, int] = {}
    path = [_Frame(root)]
    within = {id(root)} if path[0].container else set()
    while path:
        frame = path[-1]
        child = next(frame.rest, frame)
        if child is frame:
            path.pop()
            within.discard(id(frame.value))
            weights[id(frame.value)] = frame.weight
            budget.check(frame.weight)
            if path:
                path[-1].weight += frame.weight
        elif id(child) in weights:
            frame.weight += weights[id(child)]
        elif id(child) in within:
            raise Refused(f"a {type(child).__name__} that holds itself")
        elif len(path) > DEPTH:
            raise Refused(f"containers nested more than {DEPTH} deep")
        else:
            path.append(_Frame(child))
            within.add(id(child))


class _Frame:
    """A container on the way down, and what of it is still to be looked at."""

    __slots__ = ("container", "rest", "value", "weight")

    def __init__(self, value: object) -> None:
        self.value = value
        self.weight = _SLOT
        self.container = True
        kind = type(value)
        parts: Iterable[object] = ()
        if kind in (dict, OrderedDict):
            self.weight += 2 * _SLOT * len(value)  # type: ignore[arg-type]
            parts = value.values()  # type: ignore[attr-defined]
        elif kind in _CONTAINERS:
            parts = value  # type: ignore[assignment]
        elif kind is np.ndarray:
            self.weight += value.nbytes  # type: ignore[attr-defined]
            parts = value.flat if value.dtype.hasobject else ()  # type: ignore[attr-defined]
        else:
            self.container = False
            parts = (value,)
        self.rest = self._without_leaves(parts)

    def _without_leaves(self, parts: Iterable[object]) -> Iterator[object]:
        for part in parts:
            kind = type(part)
            if kind in _LEAVES:
                self.weight += _SLOT
            elif kind in _CONTAINERS or kind is np.ndarray:
                yield part
            elif isinstance(part, np.generic):
                self.weight += part.nbytes
            else:
                raise Refused(described(part))


def described(value: object) -> str:
    """What a value that has no place in a feature file is, in words."""
    return str(value) if type(value).__str__ is not object.__str__ else f"a {type(value).__name__}"
