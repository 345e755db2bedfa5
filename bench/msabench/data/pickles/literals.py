"""Instructions that push numbers and strings. Long strings of bytes, array data, stay in the file."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from msabench.data.pickles.arrays import Function, Shell
from msabench.data.pickles.limits import Damaged, Refused
from msabench.data.pickles.machine import F8, I4, U2, U4, U8, Instructions, Machine
from msabench.data.pickles.stored import Stored, Utf8, array_of
from msabench.run import Array

LITERALS = Instructions()
on = LITERALS.on
_ARRAY = 1 << 10
"""Bytes from which on what an array is made of is left in the file"""
_ANY = 1 << 20
"""Bytes from which on every string is; no transcript is as long"""
_TEXT, _ROW = 64, 128
_FLOAT = np.dtype("<f8")
_SHORT, _BATCH = 15, 1000
"""Floats up to which a list stays one, and from which on writers divide a list"""
Number = Callable[[Machine], Any]
"""Takes a number from the file"""


def _numbers(form: struct.Struct) -> Number:
    return lambda m: m.number(form)


def _constant(code: str, value: object) -> None:
    on(code)(lambda m: m.stack.append(value))


for _code, _value in {"N": None, "\x88": True, "\x89": False, ")": ()}.items():
    _constant(_code, _value)


def _binary_number(code: str, read: Number) -> None:
    def push(m: Machine) -> None:
        m.charge(32)
        m.stack.append(read(m))

    on(code)(push)


_binary_number("K", Machine.byte)
for _code, _form in {"M": U2, "J": I4}.items():
    _binary_number(_code, _numbers(_form))


@on("G")
def _binary_float(m: Machine) -> None:
    if not m.stack and _float_list(m):
        return
    m.charge(32)
    m.stack.append(m.number(F8))


def _float_list(m: Machine) -> bool:
    """Take the floats of a whole list at once, from its first on, as an array.

    Frames are stored as such lists in some files, and Python's floats take four times the room. A list is
    known to be whole by its length: writers divide longer ones.
    """
    start = m.at - 1
    target = m.marks[-1][-1] if m.marks and m.marks[-1] else None
    if type(target) is not list or target or not m.memo or m.memo[-1] is not target:
        return False
    if m.data[start + 9 * _SHORT : start + 9 * _SHORT + 1] != b"G":
        return False
    raw: Array = np.frombuffer(m.data[start : start + 9 * _BATCH], np.uint8)
    raw = raw[: len(raw) // 9 * 9].reshape(-1, 9)
    others = np.flatnonzero(raw[:, 0] != ord("G"))
    count = int(others[0]) if len(others) else len(raw)
    end = start + 9 * count
    if count == _BATCH or m.data[end : end + 1] != b"e":
        return False
    m.charge(_ROW)
    values = np.ascontiguousarray(raw[:count, :0:-1]).tobytes()  # big-endian in pickles
    kept = m.scratch.keep(iter((values,)), len(values))
    m.at = end + 1
    m.stack = m.marks.pop()
    m.stack[-1] = m.memo[-1] = array_of(kept, (count,), _FLOAT)
    return True


@on("I")
def _int(m: Machine) -> None:
    m.charge(32)
    value = {b"00\n": False, b"01\n": True}.get(m.data[m.at : m.at + 3])
    if value is None:
        m.stack.append(m.decimal())
    else:
        m.at += 3
        m.stack.append(value)


@on("L")
def _long(m: Machine) -> None:
    m.charge(32)
    m.stack.append(m.decimal())


@on("F")
def _float(m: Machine) -> None:
    m.charge(32)
    m.stack.append(float(m.digits()))


@on("\x8a", "\x8b")
def _long_bytes(m: Machine) -> None:
    short_form = m.data[m.at - 1] == 0x8A
    count = m.byte() if short_form else m.number(I4)
    if not 0 <= count < 256:
        raise Refused(f"a whole number of {count} bytes")
    m.charge(32 + count)
    m.stack.append(int.from_bytes(m.take(count), "little", signed=True))


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return _mended(raw.decode("utf-8", "surrogatepass"))


def _mended(text: str) -> str:
    """Halves of characters joined, and replaced where the other half is missing: no file could hold them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _stays(m: Machine, count: int) -> bool:
    """Whether a string is left in the file: a long one of an array, or one too long for anything else."""
    if count < _ARRAY:
        return False
    # an array's state is put on a mark, and below that is the array; or the call that makes it of four values
    below = m.marks[-1][-1:] if m.marks else []
    return count >= _ANY or any(
        type(each) is Shell or (type(each) is Function and each.name.endswith("._frombuffer"))
        for each in below
    )


def _counted_text(code: str, read: Number) -> None:
    def push(m: Machine) -> None:
        count = read(m)
        if _stays(m, count):
            m.stack.append(Utf8(m.data, m.skip(count), count))
            return
        m.charge(_TEXT + count)
        m.stack.append(_text(m.take(count)))

    on(code)(push)


_counted_text("\x8c", Machine.byte)
_counted_text("X", _numbers(U4))
_counted_text("\x8d", _numbers(U8))


def _counted_bytes(code: str, read: Number, kind: Callable[[bytes], Any]) -> None:
    def push(m: Machine) -> None:
        count = read(m)
        if _stays(m, count):
            m.stack.append(Stored(m.data, m.skip(count), count))
            return
        if count < 0:
            raise Damaged(f"a string of {count} bytes")
        m.charge(_TEXT + count)
        m.stack.append(kind(m.take(count)))

    on(code)(push)


def _latin1(raw: bytes) -> str:
    # keeps the bytes of Python 2 strings as they are, numpy's array data among them
    return raw.decode("latin1")


_counted_bytes("C", Machine.byte, bytes)
_counted_bytes("B", _numbers(U4), bytes)
_counted_bytes("\x8e", _numbers(U8), bytes)
_counted_bytes("\x96", _numbers(U8), bytearray)
_counted_bytes("U", Machine.byte, _latin1)
_counted_bytes("T", _numbers(I4), _latin1)


@on("V")
def _unicode_line(m: Machine) -> None:
    line = m.line()
    m.charge(_TEXT + 4 * len(line))
    text = str(line, "raw-unicode-escape")
    m.stack.append(text if text.isascii() else _mended(text))


@on("S")
def _string_line(m: Machine) -> None:
    line = m.line().rstrip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise Damaged(f"a string without its quotes (byte {m.at})")
    m.charge(_TEXT + len(line))
    # undocumented, and what pickle itself uses for these
    m.stack.append(_latin1(codecs.escape_decode(line[1:-1])[0]))
