"""Which epoch a figure comes from: the harness's own rules and those of the published code bases."""

from msabench.selection.curves import Curves, Evidence, Picks
from msabench.selection.reading import Reading, Selected, optimism, scored, select
from msabench.selection.table import (
    CHOSEN_ON_TEST,
    EPOCH_SELECTION,
    SELECTIONS,
    BoundRule,
    Selection,
    bind,
    is_oracle,
    oracle_of,
)

__all__ = [
    "CHOSEN_ON_TEST",
    "EPOCH_SELECTION",
    "SELECTIONS",
    "BoundRule",
    "Curves",
    "Evidence",
    "Picks",
    "Reading",
    "Selected",
    "Selection",
    "bind",
    "is_oracle",
    "optimism",
    "oracle_of",
    "scored",
    "select",
]
