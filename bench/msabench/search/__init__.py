"""Equal-budget search: every method gets the same number of trials, chosen by validation alone."""

from msabench.search.ledger import Ledger, read_ledgers, unequal, write_ledgers
from msabench.search.space import SAMPLERS, Space, space_of
from msabench.search.spec import PRUNERS, SEARCH_SEED, SearchSpec
from msabench.search.trials import Search, Trial, store_of

__all__ = [
    "PRUNERS",
    "SAMPLERS",
    "SEARCH_SEED",
    "Ledger",
    "Search",
    "SearchSpec",
    "Space",
    "Trial",
    "read_ledgers",
    "space_of",
    "store_of",
    "unequal",
    "write_ledgers",
]
