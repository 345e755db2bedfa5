"""The stack machine that a pickle is a program for, reading a mapped file and running nothing of it."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Mapping
from typing import Any

from msabench.data.mapped import let_go
from msabench.data.pickles.arrays import Function, Shell, functions
from msabench.data.pickles.limits import Budget, Damaged, Refused, Truncated, short
from msabench.data.pickles.stored import Scratch

_ENTRY = 100
_STOP = ord(".")
U2, U4, U8 = (struct.Struct(form) for form in ("<H", "<I", "<Q"))
I4, F8 = struct.Struct("<i"), struct.Struct(">d")
_LET_GO = 1 << 25
"""Bytes of the file after which the memory that they fill is handed back"""
_GAP = 16
"""Places of the memo that may be left out before it is no list any more; Python 2 begins with place 1"""
_NOTHING = object()
_DIGITS = 400
"""Decimal digits of a number; none of this field has more than 20"""


class Machine:
    """A program on its way: the file, the stacks and the memo.

    Parameters
    ----------
    data
        The file.
    budget
        Charged with what the program makes.
    instructions
        What is done, by an instruction's byte.
    """

    def __init__(self, data: mmap.mmap, budget: Budget, instructions: Mapping[int, Action]) -> None:
        self.data = data
        self.size = len(data)
        self.actions = [instructions.get(code) for code in range(256)]
        self.at = 0
        self.budget = budget
        self.charge = budget.charge
        self.scratch = Scratch(budget)
        self.functions = functions(budget, self.scratch)
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        """Stacks that were set aside, the innermost last"""
        self.memo: list[Any] = []
        """By place: a list, since a dict takes as much for each as small arrays do"""
        self.far: dict[int, Any] = {}
        """What has a place far beyond the list's end"""
        self.remembered = 0
        """How many places of the memo are filled"""

    def run(self) -> object:
        """What the program describes."""
        data, size, actions = self.data, self.size, self.actions
        while self.at < size:
            pause = min(size, self.at + _LET_GO)
            while self.at < pause:
                code = data[self.at]
                self.at += 1
                if code == _STOP:
                    if self.marks or len(self.stack) != 1:
                        raise Damaged(f"{len(self.stack)} values are left at its end")
                    return self.stack[0]
                action = actions[code]
                if action is None:
                    raise Damaged(f"no instruction {code:#04x} is known (byte {self.at - 1})")
                try:
                    action(self)
                except IndexError as error:
                    raise Damaged(f"an instruction at byte {self.at} lacks its operands") from error
            let_go(data)
        raise Truncated

    # operands in the file

    def take(self, count: int) -> bytes:
        """The next bytes of the file."""
        start = self.at
        self.at += count
        if self.at > self.size:
            raise Truncated
        return self.data[start : self.at]

    def number(self, form: struct.Struct) -> Any:
        """The next number of the file."""
        start = self.at
        self.at += form.size
        if self.at > self.size:
            raise Truncated
        return form.unpack_from(self.data, start)[0]

    def byte(self) -> int:
        """The next byte of the file."""
        if self.at >= self.size:
            raise Truncated
        self.at += 1
        return self.data[self.at - 1]

    def line(self) -> bytes:
        """The file up to the end of the line."""
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise Truncated
        line = self.data[self.at : end]
        self.at = end + 1
        return line

    def skip(self, count: int) -> int:
        """Where the next bytes of the file are, which are left there."""
        start = self.at
        self.at += count
        if self.at > self.size:
            raise Truncated
        return start

    def digits(self) -> bytes:
        """A number in digits, up to the end of the line."""
        line = self.line()
        if len(line) > _DIGITS:
            raise Refused(f"a number of {len(line)} digits")
        return line

    def decimal(self) -> int:
        """A whole number, up to the end of the line."""
        return int(self.digits().removesuffix(b"L"))

    def text(self) -> str:
        """A name, up to the end of the line."""
        return self.line().decode("utf-8")

    # operands on the stack

    def until_mark(self) -> list[Any]:
        """Takes what was put on the stack since the last mark."""
        items = self.stack
        self.stack = self.marks.pop()
        return items

    def remember(self, index: int) -> None:
        """Keeps the top of the stack in the memo."""
        if index < 0:
            raise Damaged(f"a negative place in the memo ({index})")
        self.charge(_ENTRY)
        value, memo = self.stack[-1], self.memo
        if index == len(memo):
            memo.append(value)
            self.remembered += 1
        elif index < len(memo):
            self.remembered += memo[index] is _NOTHING
            memo[index] = value
        elif index <= len(memo) + _GAP:
            memo.extend([_NOTHING] * (index - len(memo)))
            memo.append(value)
            self.remembered += 1
        else:
            self.remembered += index not in self.far
            self.far[index] = value

    def recall(self, index: int) -> None:
        """Puts what was kept on the stack."""
        value = self.memo[index] if 0 <= index < len(self.memo) else _NOTHING
        if value is _NOTHING:
            value = self.far.get(index, _NOTHING)
        if value is _NOTHING:
            raise Damaged(f"nothing was kept at place {index} of the memo")
        if type(value) is Shell and value.array is not None:
            value = value.array
        self.stack.append(value)

    def find(self, module: object, name: object) -> Function:
        """A name of the short table; every other one is refused."""
        if isinstance(module, str) and isinstance(name, str):
            found = self.functions.get((module, name))
            if found is not None:
                return found
            raise Refused(short(f"{module}.{name}"))
        raise Refused(f"a name made from a {type(module).__name__} and a {type(name).__name__}")


Action = Callable[[Machine], None]


class Instructions(dict[int, Action]):
    """What the machine does, by an instruction's byte."""

    def on(self, *codes: str) -> Callable[[Action], Action]:
        """Decorates what these instructions do."""

        def keep(action: Action) -> Action:
            self.update({ord(code): action for code in codes})
            return action

        return keep
