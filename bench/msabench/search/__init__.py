"""Equal-budget search: every method gets the same number of trials, chosen by validation alone."""

from msabench.search.space import SAMPLERS, Space, space_of
from msabench.search.trials import SEARCH_SEED, Ledger, Search, SearchSpec, Trial, read_ledgers, unequal

__all__ = [
    "SAMPLERS",
    "SEARCH_SEED",
    "Ledger",
    "Search",
    "SearchSpec",
    "Space",
    "Trial",
    "read_ledgers",
    "space_of",
    "unequal",
]
