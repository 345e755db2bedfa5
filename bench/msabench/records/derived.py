"""Files that can be made again from the records: whole or ignored, never of other code than reads them."""

from __future__ import annotations

import contextlib
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

import msabench

_MADE_BY = ("metrics", "selection", "records", "run.py", "arrays.py")
"""What decides over the content of derived files, in the package's folder"""


@cache
def code() -> str:
    """Fingerprint of the code that reads and scores records, and of the numpy that it computes with.

    A derived file that bears another one is not read: whoever mends a metric need not think of the index.
    """
    root = Path(msabench.__file__).parent
    digest = hashlib.sha256(np.__version__.encode())
    for place in (root / name for name in _MADE_BY):
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def load(path: Path) -> dict[str, Any]:
    """The content of a derived file; empty if it is absent, damaged, or of other code."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        head, _, body = path.read_bytes().partition(b"\n")
        if head.decode() == _head(body):
            content = json.loads(body)
            if isinstance(content, dict):
                return content
    return {}


def save(path: Path, content: dict[str, Any]) -> bool:
    """Write a derived file at once; of two writers the later one wins, and each leaves a whole file.

    Returns
    -------
    Whether it was written: a folder that cannot be written to, or a full disk, is no error, since everything
    can be read again.
    """
    body = json.dumps(content, separators=(",", ":")).encode()
    temporary = path.with_name(f".{path.name}-{uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(_head(body).encode() + b"\n" + body)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        return False
    return True


def _head(body: bytes) -> str:
    return f"{code()} {hashlib.sha256(body).hexdigest()}"
