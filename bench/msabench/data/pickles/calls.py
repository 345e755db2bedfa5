"""Instructions that name, call and fill things: the ones that make a pickle dangerous. Nearly all refuse."""

from __future__ import annotations

from typing import NoReturn

from msabench.data.pickles.arrays import Dtype, Function, Shell
from msabench.data.pickles.limits import Damaged, Refused, Truncated
from msabench.data.pickles.machine import U8, Instructions, Machine

CALLS = Instructions()
on = CALLS.on
_PROTOCOLS = range(6)


@on("c")
def _global(m: Machine) -> None:
    m.stack.append(m.find(m.text(), m.text()))


@on("\x93")
def _stack_global(m: Machine) -> None:
    name = m.stack.pop()
    m.stack.append(m.find(m.stack.pop(), name))


@on("R")
def _reduce(m: Machine) -> None:
    arguments = m.stack.pop()
    function = m.stack.pop()
    if type(function) is not Function:
        raise Refused(f"a {type(function).__name__} to be called")
    if type(arguments) is not tuple:
        raise Refused(f"a call of '{function.name}' with a {type(arguments).__name__} for its arguments")
    try:
        made = function.call(*arguments)
    except TypeError as error:
        raise Damaged(
            f"a call of '{function.name}' with {len(arguments)} arguments of the wrong kind"
        ) from error
    m.stack.append(made)


@on("b")
def _build(m: Machine) -> None:
    state = m.stack.pop()
    target = m.stack[-1]
    if type(target) is Shell:
        m.stack[-1] = target.fill(state, m.budget, m.scratch)
    elif type(target) is Dtype:
        target.set_state(state)
    else:
        raise Refused(f"a change to the state of a {type(target).__name__}")


@on("i")
def _instance(m: Machine) -> None:
    _no_instance(m.find(m.text(), m.text()))


@on("o")
def _object(m: Machine) -> None:
    _no_instance(m.until_mark()[0])


@on("\x81")
def _new_object(m: Machine) -> None:
    m.stack.pop()
    _no_instance(m.stack.pop())


@on("\x92")
def _new_object_with_keywords(m: Machine) -> None:
    del m.stack[-2:]
    _no_instance(m.stack.pop())


def _no_instance(kind: object) -> NoReturn:
    name = kind.name if isinstance(kind, Function) else f"a {type(kind).__name__}"
    raise Refused(f"an instance of {name}")


@on("\x82", "\x83", "\x84")
def _extension(m: Machine) -> None:
    raise Refused("an entry of the extension registry")


@on("P", "Q")
def _persistent(m: Machine) -> None:
    raise Refused("an object that is kept outside the file (a persistent id)")


@on("\x97", "\x98")
def _outside(m: Machine) -> None:
    raise Refused("a buffer that is kept outside the file")


@on("\x80")
def _protocol(m: Machine) -> None:
    version = m.byte()
    if version not in _PROTOCOLS:
        raise Damaged(f"protocol {version} is unknown")


@on("\x95")
def _frame(m: Machine) -> None:
    if m.number(U8) > m.size - m.at:
        raise Truncated
