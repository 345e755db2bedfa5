"""How external results are named, and what is said beside them."""

from __future__ import annotations

import re

from msabench.errors import SpecError
from msabench.run import EXTERNAL_PREFIX
from msabench.selection import CHOSEN_ON_TEST

LONGEST = 60
_REFUSED = re.compile(r"[\[\],\"'*?\x00-\x1f\x7f]")


def external_method(name: str) -> str:
    """The method of a record: `external:My model`.

    Raises
    ------
    SpecError
        If the name is empty, longer than `LONGEST`, or holds what rows and wildcards are written with.

    >>> external_method(" My  model ")
    'external:My model'
    """
    plain = " ".join(name.split()).removeprefix(EXTERNAL_PREFIX).strip()
    if not 0 < len(plain) <= LONGEST:
        raise SpecError(f"the name of a method has 1 to {LONGEST} characters, but '{plain}' has {len(plain)}")
    if found := _REFUSED.search(plain):
        raise SpecError(
            f"the name '{plain}' holds {found[0]!r}, which rows and wildcards are written with",
            fix="use letters, digits, spaces and marks such as . _ + - ( )",
        )
    return EXTERNAL_PREFIX + plain


def note(epoch_selection: str, encoder: str, *, one_epoch: bool) -> str:
    """What stands below every table beside an external row."""
    where = f"Trained outside msabench; predictions imported. Text encoder, as its authors say: {encoder}."
    if not one_epoch:
        return f"{where} Several epochs were imported, and epoch rules apply to them."
    how = {"": "how is not stated", CHOSEN_ON_TEST: "ON THE TEST SPLIT"}.get(epoch_selection, epoch_selection)
    return f"{where} External: epoch chosen by its authors ({how}), the same under every rule."
