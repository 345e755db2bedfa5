"""Pickles made to harm: nothing in them runs, memory stays bounded, the message names what was refused."""

import builtins
import collections
import copyreg
import ctypes
import functools
import operator
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msabench.data.unpickle import load_pickle
from msabench.errors import DataError

COMMAND = "touch canary"


class Call:
    """Pickled as a call, as `__reduce__` allows."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.parts = (function, arguments, state) if state is not None else (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.parts


def dumped(value: object) -> list[bytes]:
    return [pickle.dumps({"train": {"audio": value}}, protocol=protocol) for protocol in (0, 2, 4, 5)]


MODULE = os.system.__module__
CALLS: dict[str, tuple[object, str]] = {
    "os.system": (Call(os.system, COMMAND), f"'{MODULE}.system'"),
    "os.popen": (Call(os.popen, COMMAND), "'os.popen'"),
    "os.execv": (Call(os.execv, "/bin/sh", ["sh"]), f"'{MODULE}.execv'"),
    "os.remove": (Call(os.remove, "canary"), f"'{MODULE}.remove'"),
    "subprocess.Popen": (Call(subprocess.Popen, COMMAND), ".Popen'"),
    "subprocess.check_output": (
        Call(subprocess.check_output, ["touch", "canary"]),
        ".check_output'",
    ),
    "eval": (Call(eval, f"__import__('os').system('{COMMAND}')"), ".eval'"),
    "exec": (Call(exec, f"import os; os.system('{COMMAND}')"), ".exec'"),
    "compile": (Call(compile, "1", "x", "eval"), ".compile'"),
    "open": (Call(builtins.open, "canary", "w"), "open'"),
    "getattr of an import": (Call(getattr, Call(__import__, "os"), "system"), ".getattr'"),
    "__import__": (Call(__import__, "antigravity"), ".__import__'"),
    "globals": (Call(globals), ".globals'"),
    "type": (Call(type, "T", (), {}), ".type'"),
    "range(2**60) as a list": (Call(list, Call(range, 1 << 60)), ".list'"),
    "map": (Call(map, Call(eval, "print"), ["x"]), "map'"),
    "functools.partial": (Call(functools.partial, os.system, COMMAND), "'functools.partial'"),
    "functools.reduce": (Call(functools.reduce, operator.add, [[1], [2]]), ".reduce'"),
    "operator.attrgetter": (Call(operator.attrgetter, "system"), "'operator.attrgetter'"),
    "operator.methodcaller": (Call(operator.methodcaller("system", COMMAND), 1), "methodcaller'"),
    "copyreg._reconstructor": (Call(copyreg._reconstructor, object, object, None), "_reconstructor'"),  # type: ignore[attr-defined]
    "ctypes.string_at": (Call(ctypes.string_at, 0), "'ctypes.string_at'"),
    "a chain with a state": (Call(collections.OrderedDict, state={"__class__": 1}), "state of a OrderedDict"),
    "numpy.load of a pickle": (Call(np.load, "x.npy", None, True), "numpy.load'"),
    "numpy.memmap": (Call(np.memmap, "canary", "u1", "w+", 0, (4,)), "'numpy.memmap'"),
    "numpy.fromfile": (Call(np.fromfile, "/etc/passwd", "u1"), ".fromfile'"),
    "numpy.frombuffer": (Call(np.frombuffer, b"abcd", "u1"), ".frombuffer'"),
    "numpy.zeros, huge": (Call(np.zeros, 1 << 50), ".zeros'"),
    "numpy.ndarray, called": (Call(np.ndarray, (1 << 40,)), "a direct call of numpy.ndarray"),
    "numpy.ctypeslib": (Call(np.ctypeslib.as_array, (1 << 30,)), "'numpy.ctypeslib"),
    "numpy.vectorize": (Call(np.vectorize, 1), "vectorize'"),
    "a record array": (np.zeros(2, dtype=[("a", "f4"), ("b", "O")]), "dtype 'V12'"),
    "a masked array": (np.ma.masked_array([1.0]), "'numpy.ma.core._mareconstruct'"),
    "dates": (np.array(["2020-01-01"], dtype="M8[D]"), "dtype 'M8'"),
    "a dtype with metadata": (np.zeros(1, np.dtype("f4", metadata={"x": 1})), "metadata"),
    "a call in an object array": (np.array([Call(os.system, COMMAND)], dtype=object), ".system'"),
    "a call as a dict's key": ({(1, Call(os.system, COMMAND)): 1}, ".system'"),
    "bytes(2**40)": (Call(bytes, 1 << 40), "bytes made from a int"),
    "bytearray(2**40)": (Call(bytearray, 1 << 40), "a bytearray made from a int"),
    "the class of this test": (Call, "'"),
}


@pytest.mark.parametrize("name", CALLS)
def test_no_call_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    value, words = CALLS[name]
    for content in dumped(value):
        path = tmp_path / "hostile.pkl"
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            load_pickle(path)
        assert caught.value.what.startswith("refused: ")
        assert words in caught.value.what
        assert str(path) == caught.value.where
        assert [each.name for each in tmp_path.iterdir()] == ["hostile.pkl"]


def named(name: str) -> bytes:
    module, _, own = name.rpartition(".")
    return f"c{module}\n{own}\n".encode()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value: int) -> bytes:
    raw = value.to_bytes(16, "little")
    return b"\x8a\x10" + raw


ARRAY = named("numpy.core.multiarray._reconstruct") + named("numpy.ndarray") + b"K\x00\x85C\x01b\x87R"
F4 = named("numpy.dtype") + text("f4") + b"\x85R"
OBJECT = named("numpy.dtype") + text("O8") + b"\x85R"
SYSTEM = named(f"{MODULE}.system")
MIB = b"x" * (1 << 20)


def state(shape: bytes, dtype: bytes, raw: bytes) -> bytes:
    return b"(K\x01" + shape + dtype + b"\x89" + raw + b"tb"


def doubled(first: bytes, pair: bytes, times: int) -> bytes:
    """The last value twice in a container, and that one twice in another, and so on."""
    return first + (b"2" + pair) * times


def tenfold(times: int) -> bytes:
    """A list that holds ten times a list that holds ten times a list, and so on."""
    return b"]K\x00a" + b"".join(b"q%c0](" % i + b"h%c" % i * 10 + b"e" for i in range(times))


PROGRAMS: dict[str, tuple[bytes, str]] = {
    "INST of os.system": (f"(S'{COMMAND}'\ni{MODULE}\nsystem\n".encode(), f"'{MODULE}.system'"),
    "OBJ of os.system": (b"(" + SYSTEM + text(COMMAND) + b"o", ".system'"),
    "NEWOBJ of subprocess.Popen": (
        named("subprocess.Popen") + text(COMMAND) + b"\x85\x81",
        "'subprocess.Popen'",
    ),
    "NEWOBJ of numpy.ndarray": (named("numpy.ndarray") + b"K\x01\x85\x81", "an instance of numpy.ndarray"),
    "NEWOBJ_EX": (named("numpy.ndarray") + b")}\x92", "an instance of numpy.ndarray"),
    "STACK_GLOBAL": (text(MODULE) + text("system") + b"\x93", ".system'"),
    "STACK_GLOBAL of numbers": (b"K\x01K\x02\x93", "a name made from a int"),
    "a dotted name": (
        text("numpy.core.multiarray") + text("_reconstruct.__globals__") + b"\x93",
        "__globals__",
    ),
    "a name of the reader's own": (named("msabench.data.unpickle.mmap"), "msabench.data.unpickle"),
    "REDUCE of a string": (text("os.system") + text(COMMAND) + b"\x85R", "a str to be called"),
    "REDUCE with a list": (named("numpy.dtype") + b"]R", "a list for its arguments"),
    "BUILD of a dict's state": (b"}}" + text("__class__") + b"K\x01sb", "a change to the state of a dict"),
    "BUILD of a function": (named("_codecs.encode") + b"}b", "a change to the state of a Function"),
    "a codec that imports": (
        named("_codecs.encode") + text("x") + text("zlib") + b"\x86R",
        "the codec 'zlib'",
    ),
    "EXT1": (b"\x82\x01", "extension registry"),
    "EXT2": (b"\x83\x01\x00", "extension registry"),
    "EXT4": (b"\x84\x01\x00\x00\x00", "extension registry"),
    "PERSID": (b"Pwhatever\n", "persistent id"),
    "BINPERSID": (text("x") + b"Q", "persistent id"),
    "NEXT_BUFFER": (b"\x97", "a buffer that is kept outside"),
    "READONLY_BUFFER": (b"C\x01a\x98", "a buffer that is kept outside"),
    "APPEND to a set": (b"\x8fK\x01a", "a set to be filled like a list"),
    "objects as bytes": (ARRAY + state(b"K\x01\x85", OBJECT, b"C\x08AAAAAAAA"), "dtype object with a bytes"),
    "a scalar object": (
        named("numpy.core.multiarray.scalar") + OBJECT + b"C\x08AAAAAAAA\x86R",
        "a scalar of dtype",
    ),
    "objects over a buffer": (
        named("numpy.core.numeric._frombuffer")
        + b"(C\x08AAAAAAAA"
        + OBJECT
        + b"K\x01\x85"
        + text("C")
        + b"tR",
        "dtype object with bytes",
    ),
    "a subarray dtype": (named("numpy.dtype") + text("(1000000,)f4") + b"\x85R", "dtype '(1000000,)f4'"),
    "a dtype of fields": (named("numpy.dtype") + text("f4,O") + b"\x85R", "dtype 'f4,O'"),
    "a dtype's fields by state": (OBJECT + b"(K\x03" + text("|") + b"N(t}K\x08K\x08K\x00tb", "fields"),
    "an array class of its own": (
        named("numpy.core.multiarray._reconstruct") + named("numpy.dtype") + b"K\x00\x85C\x01b\x87R",
        "an array of a class of its own",
    ),
    "a huge shape, no data": (
        ARRAY + state(number(1 << 60) + b"\x85", F4, b"C\x00"),
        "more values than the file",
    ),
    "a huge empty shape": (
        ARRAY + state(b"K\x00" + number(1 << 40) + number(1 << 20) + b"\x87", F4, b"C\x00"),
        "more values than the file",
    ),
    "a shape that overflows": (
        ARRAY + state(number(1 << 120) + b"\x85", F4, b"C\x00"),
        "more values than the file",
    ),
    "a negative shape": (
        ARRAY + state(b"J\xff\xff\xff\xff\x85", F4, b"C\x04AAAA"),
        "an array of shape (-1,)",
    ),
    "more shape than data": (ARRAY + state(b"K\x09\x85", F4, b"C\x04AAAA"), "needs 36 bytes and has 4"),
    "a string as wide as memory": (
        named("numpy.core.multiarray.scalar") + named("numpy.dtype") + text("U99999999") + b"\x85RC\x00\x86R",
        "MiB of memory",
    ),
    "a width that overflows": (named("numpy.dtype") + text("f9999999999999") + b"\x85R", "dtype 'f9999"),
    "characters that are none": (
        ARRAY + state(b"K\x01\x85", named("numpy.dtype") + text("U1") + b"\x85R", b"C\x04\xff\xff\xff\x7f"),
        "no characters",
    ),
    "BINUNICODE8 of 2**60": (b"\x8d" + struct.pack("<Q", 1 << 60) + b"x", "truncated"),
    "BINBYTES8 of 2**60": (b"\x8e" + struct.pack("<Q", 1 << 60) + b"x", "truncated"),
    "BYTEARRAY8 of 2**60": (b"\x96" + struct.pack("<Q", 1 << 60) + b"x", "truncated"),
    "BINBYTES of 2**32 - 1": (b"B\xff\xff\xff\xffx", "truncated"),
    "BINSTRING of -1": (b"T\xff\xff\xff\xffx", "a string of -1 bytes"),
    "FRAME of 2**62": (b"\x95" + struct.pack("<Q", 1 << 62), "truncated"),
    "LONG4 of 2**31 - 1": (b"\x8b\xff\xff\xff\x7f\x01", "a whole number of 2147483647 bytes"),
    "LONG4 of a mebibyte": (b"\x8b\x00\x00\x10\x00" + MIB, "a whole number of 1048576 bytes"),
    "LONG of a million digits": (b"L" + b"9" * 1_000_000 + b"L\n", "a number of 1000001 digits"),
    "INT of a million digits": (b"I" + b"9" * 1_000_000 + b"\n", "a number of 1000000 digits"),
    "FLOAT of a million digits": (b"F" + b"9" * 1_000_000 + b"\n", "a number of 1000000 digits"),
    "a memo of 2**32 places": (b"]r\xff\xff\xff\xff0h\x00", "nothing was kept"),
    "a negative memo": (b"]p-1\n", "a negative place"),
    "text of a mebibyte in no array": (
        b"\x8c\x01x0X" + struct.pack("<I", len(MIB) + 1) + MIB + b"x",
        "a text of",
    ),
    "text that is none, as an array": (
        ARRAY
        + state(
            b"J\x00\x00\x80\x00\x85",
            F4,
            named("_codecs.encode") + b"X\x00\x00\x80\x00" + b"\x80" * (8 << 20) + text("latin1") + b"\x86R",
        ),
        "damaged",
    ),
    "an array's text that is not latin1": (
        ARRAY
        + state(
            b"K\x09\x85",
            F4,
            named("_codecs.encode") + text("x" * 2000)[:-1] + b"\xc4\x80" + text("latin1") + b"\x86R",
        ),
        "damaged",
    ),
    "bytes of a mebibyte in no array": (b"B" + struct.pack("<I", len(MIB)) + MIB, "belong to no array"),
    "a mebibyte encoded 100000 times": (
        b"X"
        + struct.pack("<I", len(MIB))
        + MIB
        + b"q\x000"
        + named("_codecs.encode")
        + b"q\x010"
        + b"h\x01h\x00" * 2
        + b"0000"
        + b"("
        + b"h\x01h\x00\x85R" * 100_000
        + b"l",
        "MiB of memory",
    ),
    "a set copied 100000 times": (
        b"("
        + b"".join(b"M" + struct.pack("<H", i) for i in range(20_000))
        + b"lq\x000"
        + named("builtins.set")
        + b"q\x010("
        + b"h\x01h\x00\x85R" * 100_000
        + b"l",
        "MiB of memory",
    ),
    "a million sets": (b"(" + b"\x8f" * 1_000_000 + b"l", "MiB of memory"),
    "1500000 marks": (b"(" * 1_500_000, "MiB of memory"),
    "billion laughs in lists": (tenfold(20), "MiB of memory once its repetitions are written out"),
    "billion laughs in tuples": (doubled(b"K\x00\x85", b"\x86", 60), "nested more than 32 deep"),
    "an array a hundred thousand times": (
        ARRAY
        + state(b"J\x00\x00\x04\x00\x85", F4, b"B\x00\x00\x10\x00" + MIB)
        + b"q\x000("
        + b"h\x00" * 100_000
        + b"l",
        "MiB of memory once",
    ),
    "a key whose hash takes for ever": (b"}" + doubled(b")", b"\x86", 100) + b"K\x01s", "a tuple as the key"),
    "a key that exhausts the stack": (b"})" + b"\x85" * 300_000 + b"K\x01s", "a tuple as the key"),
    "an element that exhausts the stack": (b"\x8f()" + b"\x85" * 300_000 + b"\x90", "a tuple as the key"),
    "a set in a set": (b"((\x91\x91", "a frozenset as the key of a dict or in a set"),
    "100000 lists in each other": (b"]" * 100_000 + b"a" * 99_999, "nested more than 32 deep"),
    "100000 tuples in each other": (b")" + b"\x85" * 100_000, "nested more than 32 deep"),
    "100000 dicts in each other": (b"}K\x00" * 100_000 + b"N" + b"s" * 100_000, "nested more than 32 deep"),
    "a shape nested 100000 deep": (
        ARRAY + state(b")" + b"\x85" * 100_000, F4, b"C\x00"),
        "shape a tuple of 1",
    ),
    "a list that holds itself": (b"]q\x00h\x00a", "a list that holds itself"),
    "a dict that holds itself": (b"}q\x00K\x01h\x00s", "a dict that holds itself"),
    "an object array that holds itself": (
        named("numpy.core.multiarray._reconstruct")
        + named("numpy.ndarray")
        + b"K\x00\x85C\x01b\x87Rq\x00"
        + state(b"K\x01\x85", OBJECT, b"(h\x00l"),
        "holds itself",
    ),
    "an array filled twice": (
        ARRAY
        + b"q\x00"
        + state(b"K\x01\x85", F4, b"C\x04AAAA")
        + b"0h\x00"
        + state(b"K\x01\x85", F4, b"C\x04BBBB"),
        "state of a ndarray",
    ),
    "an array that is never filled": (ARRAY, "never filled"),
    "an unknown instruction": (b"\xfe", "no instruction 0xfe"),
    "protocol 99": (b"\x80\x63N", "protocol 99 is unknown"),
    "no operands": (b"R", "lacks its operands"),
    "a mark too few": (b"t", "lacks its operands"),
    "a mark too many": (b"(N", "left at its end"),
    "two values": (b"NN", "2 values are left"),
    "a key without a value": (b"}(K\x01u", "has no value"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_by_hand_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    program, words = PROGRAMS[name]
    path = tmp_path / "program.pkl"
    path.write_bytes(b"\x80\x04" + program + b".")
    with pytest.raises(DataError) as caught:
        load_pickle(path)
    assert words in caught.value.what
    assert len(caught.value.what) < 400
    assert [each.name for each in tmp_path.iterdir()] == ["program.pkl"]


@pytest.fixture
def within_memory(tmp_path: Path) -> Callable[[], int]:
    """Reads all pickles of the folder in a process of its own; its growth in bytes."""
    program = (
        "import re, resource, sys; from pathlib import Path\n"
        "from msabench.data.unpickle import load_pickle; from msabench.errors import DataError\n"
        # getrusage would count the parent, as it was before the exec
        "status = Path('/proc/self/status')\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', status.read_text())[1]) * 1024\n"
        "before = peak()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "for path in sorted(Path(sys.argv[1]).glob('*.pkl')):\n"
        "    try: load_pickle(path)\n"
        "    except DataError: continue\n"
        "    sys.exit(f'read: {path}')\n"
        "print(peak() - before)\n"
    )

    def run() -> int:
        command = [sys.executable, "-c", program, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    return run


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_program_takes_more_memory_than_its_size_accounts_for(
    tmp_path: Path, within_memory: Callable[[], int]
) -> None:
    largest = 0
    for i, (program, _) in enumerate(PROGRAMS.values()):
        (tmp_path / f"{i}.pkl").write_bytes(b"\x80\x04" + program + b".")
        largest = max(largest, len(program))
    # 64 MiB and 16 bytes a byte are what is counted; the interpreter's own lists come on top
    assert within_memory() < (128 << 20) + 24 * largest
