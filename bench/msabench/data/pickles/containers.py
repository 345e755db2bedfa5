"""Instructions that build lists, tuples, dicts and sets, and that use the stack and the memo."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from msabench.data.pickles.limits import Damaged, Refused, check_key
from msabench.data.pickles.machine import U4, Instructions, Machine

CONTAINERS = Instructions()
on = CONTAINERS.on
_LIST, _DICT, _SET, _TUPLE, _ENTRY = 64, 72, 224, 56, 100
"""Bytes that each takes when empty, and an entry of a dict"""


@on("(")
def _mark(m: Machine) -> None:
    m.charge(_LIST)
    m.marks.append(m.stack)
    m.stack = []


@on("]")
def _empty_list(m: Machine) -> None:
    m.charge(_LIST)
    m.stack.append([])


@on("}")
def _empty_dict(m: Machine) -> None:
    m.charge(_DICT)
    m.stack.append({})


@on("\x8f")
def _empty_set(m: Machine) -> None:
    m.charge(_SET)
    m.stack.append(set())


@on("l")
def _list(m: Machine) -> None:
    items = m.until_mark()
    m.charge(_LIST)
    m.stack.append(items)


@on("t")
def _tuple(m: Machine) -> None:
    items = m.until_mark()
    m.charge(_TUPLE + 8 * len(items))
    m.stack.append(tuple(items))


@on("\x85", "\x86", "\x87")
def _short_tuple(m: Machine) -> None:
    count = m.data[m.at - 1] - 0x84
    if len(m.stack) < count:
        raise IndexError
    m.charge(_TUPLE + 8 * count)
    m.stack[-count:] = [tuple(m.stack[-count:])]


@on("d")
def _dict(m: Machine) -> None:
    items = m.until_mark()
    m.charge(_DICT)
    made: dict[Any, Any] = {}
    m.stack.append(made)
    _set_all(m, items)


@on("\x91")
def _frozenset(m: Machine) -> None:
    items = m.until_mark()
    m.charge(_SET + 64 * len(items))
    m.stack.append(frozenset(map(check_key, items)))


@on("a")
def _append(m: Machine) -> None:
    item = m.stack.pop()
    m.charge(8)
    _target(m, list).append(item)


@on("e")
def _appends(m: Machine) -> None:
    items = m.until_mark()
    m.charge(8 * len(items))
    _target(m, list).extend(items)


@on("s")
def _set_item(m: Machine) -> None:
    value = m.stack.pop()
    _set_all(m, [m.stack.pop(), value])


@on("u")
def _set_items(m: Machine) -> None:
    _set_all(m, m.until_mark())


def _set_all(m: Machine, items: list[Any]) -> None:
    target = _target(m, dict, OrderedDict)
    if len(items) % 2:
        raise Damaged("a key of a dict has no value")
    m.charge(_ENTRY * (len(items) // 2))
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[check_key(key)] = value


@on("\x90")
def _add_items(m: Machine) -> None:
    items = m.until_mark()
    m.charge(64 * len(items))
    _target(m, set).update(map(check_key, items))


def _target(m: Machine, *kinds: type) -> Any:
    target = m.stack[-1]
    if type(target) not in kinds:
        raise Refused(f"a {type(target).__name__} to be filled like a {kinds[0].__name__}")
    return target


@on("0")
def _pop(m: Machine) -> None:
    if m.stack:
        m.stack.pop()
    else:
        m.until_mark()


@on("1")
def _pop_mark(m: Machine) -> None:
    m.until_mark()


@on("2")
def _duplicate(m: Machine) -> None:
    m.charge(8)
    m.stack.append(m.stack[-1])


@on("\x94")
def _memoize(m: Machine) -> None:
    m.remember(m.remembered)


on("q")(lambda m: m.remember(m.byte()))
on("r")(lambda m: m.remember(m.number(U4)))
on("p")(lambda m: m.remember(m.decimal()))
on("h")(lambda m: m.recall(m.byte()))
on("j")(lambda m: m.recall(m.number(U4)))
on("g")(lambda m: m.recall(m.decimal()))
