"""What searches ask for while their trials are made: the next ones, as results make them known."""

from __future__ import annotations

from collections.abc import Sequence, Set

from msabench.records import Store
from msabench.run import RunSpec
from msabench.search.trials import Search


class Asking:
    """Hands out the trials of several searches, each once.

    Parameters
    ----------
    again
        Keys of failed trials that are to be made again; what depends on them is asked for afterwards.
    """

    def __init__(self, searches: Sequence[Search], store: Store, again: Set[str] = frozenset()) -> None:
        self._searches, self._store, self._again = searches, store, set(again)
        self._waiting: dict[str, set[str]] = {}
        self._paces: dict[str, tuple[float, ...]] = {}

    def more(self) -> list[RunSpec]:
        """Trials that have become known since the last call."""
        fresh = []
        for search in self._searches:
            before = self._waiting.get(search.name)
            if before is not None and all(self._awaited(key) for key in before):
                continue  # no result, nothing new: the records need not be read
            places = search.missing(self._store, self._again)
            self._waiting[search.name] = {place.run.key for place in places}
            for place in places:
                key = place.run.key
                if key in self._paces:
                    continue
                if self._store.has(key) and key not in self._again:
                    self._store.set_aside(key)  # pruned on terms that have changed since
                self._paces[key] = place.pace
                fresh.append(place.run)
        return fresh

    def pace(self, key: str) -> tuple[float, ...]:
        """What ends a trial that was handed out early; see `search.pruning`."""
        return self._paces[key]

    def ended(self, key: str) -> None:
        """A trial has its record."""
        self._again.discard(key)

    def _awaited(self, key: str) -> bool:
        return key in self._again or not self._store.has(key)
