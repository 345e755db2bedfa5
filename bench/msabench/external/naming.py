"""How external results are named, and what is said beside them."""

from __future__ import annotations

import re
import unicodedata

from msabench.errors import SpecError
from msabench.run import EXTERNAL_PREFIX
from msabench.selection import CHOSEN_ON_TEST

LONGEST = 60
_REFUSED = re.compile(r"[\[\],\"'*?]")


def external_method(name: str) -> str:
    """The method of a record: `external:My model`.

    Raises
    ------
    SpecError
        If the name is empty, longer than `LONGEST`, or holds what rows and wildcards are written with.

    >>> external_method(" My  model ")
    'external:My model'
    """
    plain = words(name.strip().removeprefix(EXTERNAL_PREFIX), "the name of a method")
    if found := _REFUSED.search(plain):
        raise SpecError(
            f"the name '{plain}' holds {found[0]!r}, which rows and wildcards are written with",
            fix="use letters, digits, spaces and marks such as . _ + - ( )",
        )
    return EXTERNAL_PREFIX + plain


def words(text: str, what: str, *, longest: int = LONGEST, shortest: int = 1) -> str:
    """Text as tables show it: composed letters and single spaces, so that what looks alike is alike.

    Raises
    ------
    SpecError
        If it is too short, too long, or holds a character that is not seen.
    """
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    if not shortest <= len(plain) <= longest:
        raise SpecError(
            f"{what} has {shortest} to {longest} characters, but '{plain[:longest]}' has {len(plain)}",
            fix="shorten it" if plain else "give one",
        )
    if hidden := next((each for each in plain if not each.isprintable()), ""):
        raise SpecError(
            f"{what} holds the character {hidden!a}, which is not seen",
            fix="type it anew: such characters come along when text is copied",
        )
    return plain


def note(epoch_selection: str, encoder: str, *, one_epoch: bool) -> str:
    """What stands below every table beside an external row."""
    where = f"Trained outside msabench; predictions imported. Text encoder, as its authors say: {encoder}."
    if not one_epoch:
        return f"{where} Several epochs were imported, and epoch rules apply to them."
    how = {"": "how is not stated", CHOSEN_ON_TEST: "ON THE TEST SPLIT"}.get(epoch_selection, epoch_selection)
    return f"{where} External: epoch chosen by its authors ({how}), the same under every rule."
