"""Rows of a study as text: `almt`, `r3dg[grans=[1,5,10]]`; what they mean, and their one canonical form."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from msabench.errors import SpecError
from msabench.registry import AS_PUBLISHED, METHODS

FORM = "method[name=value,name=value], with lists as in name=[1,2]"
_TOKENS = re.compile(r""""(?:\\.|[^"\\])*"|'[^']*'|["'\[\],]""")
"""TOML's strings, each as one, and what divides"""


def expand_methods(names: str | Sequence[str]) -> tuple[str, ...]:
    """Names, wildcards and bracketed variants, separated by commas outside brackets, as canonical rows.

    Each row is there once: `almt[tokens=4,width=64]` and `almt[width=64,tokens=4]` are one.

    Raises
    ------
    SpecError
        If a row is not of the form of a variant, no method matches, or the brackets name an unknown
        hyperparameter or give a value of another type than the card's.

    >>> expand_methods("tf*,almt[frame_window=50,ahl_dropout=1e-1]")
    ('tfn', 'almt[ahl_dropout=0.1,frame_window=50]')
    """
    parts = _split(names, names) if isinstance(names, str) else names
    rows: list[str] = []
    for part in filter(None, (p.strip() for p in parts)):
        pattern, overrides = parse_row(part)
        rows += [canonical(name, overrides) for name in METHODS.match(pattern)]
    return tuple(dict.fromkeys(rows))


def split_rows(text: str) -> tuple[str, ...]:
    """Rows separated by commas outside brackets, as they are.

    >>> split_rows("tfn, r3dg[grans=[1,5,10]]")
    ('tfn', 'r3dg[grans=[1,5,10]]')
    """
    return tuple(filter(None, (part.strip() for part in _split(text, text))))


def parse_row(row: str) -> tuple[str, dict[str, Any]]:
    """`almt[frame_window=50]` -> ("almt", {"frame_window": 50}).

    Values are TOML; what is none, as in `fusion_readout=mean_language`, is text.

    Raises
    ------
    SpecError
        If the brackets are not of the form `[name=value,...]`, or name one hyperparameter twice.
    """
    method, bracket, inside = (part.strip() for part in row.partition("["))
    if not bracket:
        return method, {}
    if not inside.endswith("]"):
        raise _malformed(row)
    overrides: dict[str, Any] = {}
    for part in _split(inside[:-1], row):
        name, _, value = (text.strip() for text in part.partition("="))
        if not (method and name and value):
            raise _malformed(row)
        if name in overrides:
            raise SpecError(f"'{row}' gives {name} twice", fix=f"write it as {FORM}")
        overrides[name] = _value(value)
    return method, overrides


def canonical(method: str, overrides: Mapping[str, Any]) -> str:
    """The one text of a row: names in alphabetical order, values in the type that the card gives them.

    Raises
    ------
    SpecError
        If an override names no hyperparameter of the method, or is of another type.
    """
    values = METHODS.card(method).checked(overrides)
    if not values.get(AS_PUBLISHED, True):
        del values[AS_PUBLISHED]  # a method is not as published unless its row says so
    inside = ",".join(f"{name}={_text(values[name])}" for name in sorted(values))
    return f"{method}[{inside}]" if inside else method


def _split(text: str, row: str) -> list[str]:
    """The parts between commas that stand in no brackets and no quotes."""
    parts, depth, start = [], 0, 0
    for token in _TOKENS.finditer(text):
        if token[0] == "," and not depth:
            parts.append(text[start : token.start()])
            start = token.end()
        depth += {"[": 1, "]": -1}.get(token[0], 0)
        if depth < 0 or token[0] in "\"'":  # a quote that is not closed
            raise _malformed(row)
    if depth:
        raise _malformed(row)
    return [*parts, text[start:]]


def _malformed(row: str) -> SpecError:
    return SpecError(
        f"'{row}' is not of the form {FORM}", fix="quote the row for the shell: 'almt[tokens=4]'"
    )


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _text(value: Any) -> str:
    """The inverse of `_value`, shortest form first."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(_quoted(each) if isinstance(each, str) else _text(each) for each in value)}]"
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z_][\w.+-]*", value) and _value(value) == value
        return value if plain else _quoted(value)
    return repr(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
