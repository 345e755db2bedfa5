"""Stand-ins for the few names that a feature file's pickle needs: numpy's arrays, dtypes and scalars.

Each checks what it is given. None calls anything that the file names, allocates more than the file's size can
account for, or builds an array over memory that is not its own. Arrays are read-only views of the file where
its bytes are the array's, and of a scratch file where they had to be decoded (`stored`).
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from msabench.data.pickles.limits import Budget, Damaged, Refused, check_key, short
from msabench.data.pickles.stored import Scratch, Stored, Utf8, array_of
from msabench.run import Array

_DTYPE = re.compile(r"[<>=|]?([biufcSUO?])(\d{0,9})")
"""numpy's kinds of numbers and strings, and objects (strings, most often); no records, no raw memory"""
_BLOCK = 1 << 22
_SURROGATES, _PAST_SURROGATES, _LAST = 0xD800, 0xE000, 0x10FFFF
_DICT_ENTRY = 200


class Dtype:
    """Stand-in for `numpy.dtype`: takes kind, size and byte order, and no fields, subtypes or metadata."""

    __slots__ = ("value",)
    value: np.dtype[Any]

    def __init__(self, spec: object) -> None:
        if not isinstance(spec, str) or not (match := _DTYPE.fullmatch(spec)):
            raise Refused(f"an array of dtype {short(spec)}")
        # objects are pointers of 8 bytes, whatever the file says
        self.value = np.dtype("O" if match[1] == "O" else spec)

    def __str__(self) -> str:
        return f"a dtype ({self.value}) that belongs to no array"

    def set_state(self, state: object) -> None:
        """(version, byte order, subtype, field names, fields, item size, alignment, flags[, metadata])."""
        if not isinstance(state, tuple) or not 5 <= len(state) <= 9:
            raise Refused("a dtype in an unknown state")
        if any(part is not None for part in state[2:5]) or (len(state) == 9 and state[8] is not None):
            raise Refused("a dtype with fields, a subtype or metadata")
        order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "=", "|"):
            raise Refused(f"a dtype of byte order {short(order)}")
        kind = self.value.kind
        if kind in "SU" and self.value.itemsize == 0 and len(state) > 5:
            # old pickles say 'U' first, and how long only here
            width = state[5]
            if not isinstance(width, int) or not 0 <= width < 1 << 31:
                raise Refused(f"a dtype of {short(width)} bytes")
            self.value = np.dtype(f"{kind}{width // (4 if kind == 'U' else 1)}")
        if order in "<>" and kind != "O":
            self.value = np.dtype(order + self.value.str[1:])


class Shell:
    """An array that was announced, and is filled by the state that follows."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array: Array | None = None

    def __str__(self) -> str:
        return "an array that is never filled, or that holds itself"

    def fill(self, state: object, budget: Budget, scratch: Scratch) -> Array:
        """The array of a state ([version,] shape, dtype, Fortran order, bytes or list of objects)."""
        if self.array is not None or not isinstance(state, tuple) or len(state) not in (4, 5):
            raise Refused("an array in an unknown state")
        shape, dtype, fortran, raw = state[-4:]
        kind = _plain(dtype)
        if kind.hasobject:
            self.array = _objects(raw, kind, shape, bool(fortran), budget)
        else:
            self.array = _array(_buffer(raw, budget, scratch), kind, shape, "F" if fortran else "C", budget)
        return self.array


def _plain(dtype: object) -> np.dtype[Any]:
    if not isinstance(dtype, Dtype):
        raise Refused(f"a {type(dtype).__name__} in place of a dtype")
    return dtype.value


def _shape(shape: object, budget: Budget) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
        raise Refused(f"an array of shape {short(shape)}")
    # an empty array may not claim endless rows either: a sum along its empty axis would make them
    if math.prod(n for n in shape if n) > budget.size:
        raise Refused(f"an array of shape {short(shape)}, more values than the file has bytes")
    return shape


def _buffer(raw: object, budget: Budget, scratch: Scratch) -> Stored | bytes | bytearray:
    if isinstance(raw, Stored | bytes | bytearray):
        return raw
    if isinstance(raw, Utf8):  # a Python 2 string never is; text in its place is
        return raw.latin1(scratch)
    if isinstance(raw, str):
        budget.charge(len(raw))
        return raw.encode("latin1")
    raise Refused(f"an array with a {type(raw).__name__} for its values")


def _array(
    raw: Stored | bytes | bytearray, dtype: np.dtype[Any], shape: object, order: Any, budget: Budget
) -> Array:
    shape = _shape(shape, budget)
    count = math.prod(shape)
    size = raw.size if isinstance(raw, Stored) else len(raw)
    if size != count * dtype.itemsize:
        raise Damaged(
            f"an array of shape {short(shape)} and dtype {dtype} needs {count * dtype.itemsize} bytes "
            f"and has {size}"
        )
    if size == 0:
        budget.charge(count)
        empty: Array = np.zeros(shape, dtype)
        empty.setflags(write=False)
        return empty
    values = array_of(raw, shape, dtype, order)
    if dtype.kind == "U":
        _check_text(values.reshape(-1, order=order))
    return values


def _check_text(values: Array) -> None:
    """Refuse code points that are none: Python would fail on them later, wherever the text is used."""
    codes = values.view(np.dtype(np.uint32).newbyteorder(values.dtype.byteorder))
    for start in range(0, len(codes), _BLOCK):
        part = codes[start : start + _BLOCK]
        if part.max() > _LAST or ((part >= _SURROGATES) & (part < _PAST_SURROGATES)).any():
            raise Damaged("an array of text holds numbers that are no characters")


def _objects(raw: object, dtype: np.dtype[Any], shape: object, fortran: bool, budget: Budget) -> Array:
    # bytes would be pointers to wherever the file's author likes
    if not isinstance(raw, list):
        raise Refused(f"an array of dtype object with a {type(raw).__name__} for its values")
    shape = _shape(shape, budget)
    if len(raw) != math.prod(shape):
        raise Damaged(f"an array of shape {short(shape)} has {len(raw)} values")
    budget.charge(8 * len(raw))
    values: Array = np.empty(len(raw), dtype)
    for i, value in enumerate(raw):  # one by one: numpy would spread lists over further axes
        values[i] = value
    values.setflags(write=False)
    return values.reshape(shape, order="F" if fortran else "C")


class Function:
    """A function that a pickle may call; the machine calls nothing else."""

    __slots__ = ("call", "name")

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        self.name = name
        self.call = call

    def __str__(self) -> str:
        return f"'{self.name}' as a value"


class _Calls:
    """What the names of the table do."""

    def __init__(self, budget: Budget, scratch: Scratch) -> None:
        self.budget = budget
        self.scratch = scratch
        self.ndarray = Function("numpy.ndarray", self.direct)

    def direct(self, *_: object) -> NoReturn:
        raise Refused("a direct call of numpy.ndarray")

    def dtype(self, spec: object, align: object = False, copy: object = False) -> Dtype:
        self.budget.charge(100)
        return Dtype(spec)

    def reconstruct(self, kind: object, shape: object, typecode: object) -> Shell:
        if kind is not self.ndarray:
            raise Refused("an array of a class of its own")
        self.budget.charge(200)
        return Shell()

    def from_buffer(
        self, raw: object, spec: object, shape: object, order: object, axes: object = None
    ) -> Array:
        self.budget.charge(200)
        kind = _plain(spec)
        if kind.hasobject:
            raise Refused("an array of dtype object with bytes for its values")
        data = _buffer(raw, self.budget, self.scratch)
        array = _array(data, kind, shape, "F" if order == "F" else "C", self.budget)
        # numpy 2.3 and later: stored in another order of axes
        return array if order != "K" or axes is None else array.transpose(axes)  # type: ignore[call-overload]

    def scalar(self, spec: object, raw: object = b"") -> Any:
        kind = _plain(spec)
        if kind.hasobject:
            raise Refused("a scalar of dtype object")
        self.budget.charge(100 + kind.itemsize)
        # an empty string has no bytes to read
        if not kind.itemsize:
            return kind.type()
        return _array(_buffer(raw, self.budget, self.scratch), kind, (1,), "C", self.budget)[0]

    def encode(self, text: object, encoding: object = "latin1") -> Any:
        # protocols below 3 write bytes so; other codecs would import modules
        if not isinstance(encoding, str) or encoding.replace("-", "").lower() not in ("latin1", "iso88591"):
            raise Refused(f"the codec {short(encoding)}")
        if isinstance(text, Utf8):
            return text.latin1(self.scratch)
        if not isinstance(text, str):
            raise Refused(f"the bytes of a {type(text).__name__}")
        self.budget.charge(64 + len(text))
        return text.encode("latin1")

    def make_bytearray(self, content: object = b"", encoding: object = "latin1") -> Any:
        if isinstance(content, Stored):
            return content  # stays in the file
        value = self.encode(content, encoding) if isinstance(content, str) else content
        if not isinstance(value, bytes | bytearray):
            # a number would make as many bytes
            raise Refused(f"a bytearray made from a {type(value).__name__}")
        self.budget.charge(64 + len(value))
        return bytearray(value)

    def make_bytes(self, content: object = b"") -> object:
        if not isinstance(content, Stored | bytes):
            raise Refused(f"bytes made from a {type(content).__name__}")
        return content

    def make_set(self, items: object = ()) -> object:
        return set(self._elements(items))

    def make_frozenset(self, items: object = ()) -> object:
        return frozenset(self._elements(items))

    def _elements(self, items: object) -> Iterator[Any]:
        if not isinstance(items, list | tuple):
            raise Refused(f"a set made from a {type(items).__name__}")
        self.budget.charge(_DICT_ENTRY + 64 * len(items))
        return map(check_key, items)

    def ordered(self, pairs: object = ()) -> OrderedDict[Any, Any]:
        if not isinstance(pairs, list | tuple) or not all(
            isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs
        ):
            raise Refused(f"an OrderedDict made from a {type(pairs).__name__}")
        self.budget.charge(_DICT_ENTRY * (1 + len(pairs)))
        return OrderedDict((check_key(key), value) for key, value in pairs)

    def defaulting(self, factory: object = None) -> dict[Any, Any]:
        # the default of a vocabulary is nothing that reading needs; its entries follow one by one
        if factory is not None and type(factory) is not Function:
            raise Refused(f"a defaultdict with a {type(factory).__name__} for its default")
        self.budget.charge(_DICT_ENTRY)
        return {}

    def unknown_word(self, *_: object) -> NoReturn:
        raise Refused("a call of '__main__.return_unk'")


def functions(budget: Budget, scratch: Scratch) -> Mapping[tuple[str, str], Function]:
    """The names that a pickle may use, by module and name; what they make is charged to the budget."""
    calls = _Calls(budget, scratch)
    table: dict[str, Callable[..., Any]] = {
        "numpy.dtype": calls.dtype,
        "_codecs.encode": calls.encode,
        "collections.OrderedDict": calls.ordered,
        "collections.defaultdict": calls.defaulting,
        # MAG-BERT's files name it as the default of their vocabulary
        "__main__.return_unk": calls.unknown_word,
    }
    for core in ("numpy.core", "numpy._core"):  # numpy 1 and numpy 2
        table[f"{core}.multiarray._reconstruct"] = calls.reconstruct
        table[f"{core}.multiarray.scalar"] = calls.scalar
        table[f"{core}.numeric._frombuffer"] = calls.from_buffer
    for module in ("builtins", "__builtin__"):  # Python 3 and Python 2
        for own in ("set", "frozenset", "bytes", "bytearray"):
            table[f"{module}.{own}"] = getattr(calls, f"make_{own}")
    named = {("numpy", "ndarray"): calls.ndarray}
    for name, call in table.items():
        module, _, own = name.rpartition(".")
        named[module, own] = Function(name, call)
    return named
