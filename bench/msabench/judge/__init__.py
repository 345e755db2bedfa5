"""From records to verdicts: predictions at the selected epochs, gathered and handed to the tests.

The tests know arrays and no records, reports print verdicts and make none; this is what lies between.
"""

from msabench.judge.entries import Entry, entries, entries_of, metrics_of, sources_of
from msabench.judge.families import against, against_best
from msabench.judge.pairs import checkpoint_seed, judge, pair_notes

__all__ = [
    "Entry",
    "against",
    "against_best",
    "checkpoint_seed",
    "entries",
    "entries_of",
    "judge",
    "metrics_of",
    "pair_notes",
    "sources_of",
]
