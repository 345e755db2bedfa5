"""BibTeX of what a site shows, made of what cards say and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msabench.data.cards import DatasetCard
from msabench.registry import MethodCard

_SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\~{}", "^": r"\^{}"}
)


def of_method(card: MethodCard) -> str:
    """The card's own BibTeX, or an entry of its citation; empty where it has none.

    Fields whose value is not known (`not found …`) are left out.
    """
    citation = card.citation
    if citation.get("bibtex"):
        return citation["bibtex"].strip()
    authors = " and ".join(name.strip() for name in citation.get("authors", "").split(","))
    venue = citation.get("venue", "")
    year = citation.get("year", "") or next(iter(re.findall(r"\b(?:19|20)\d\d\b", venue)), "")
    known = {
        name: text
        for name, text in (("title", citation.get("title", "")), ("author", authors), ("note", venue))
        if text and not text.startswith("not found")
    }
    if "title" not in known:
        return ""
    texts = {name: _escaped(text) for name, text in known.items()}
    texts["title"] = f"{{{texts['title']}}}"  # in braces of its own a title keeps its capitals
    fields = [f"  {name:6} = {{{text}}}" for name, text in texts.items()]
    fields += [f"  year   = {{{year}}}"] if year and "note" in known else []
    fields += [f"  url    = {{{citation['url']}}}"] if citation.get("url") else []
    key = re.sub(r"[^A-Za-z0-9_:-]", "", card.name) or "method"
    # what styles sort and label by where there is no author
    fields += [] if "author" in known else [f"  key    = {{{_escaped(card.name)}}}"]
    return f"@misc{{{key},\n" + ",\n".join(fields) + "\n}"


def of_dataset(card: DatasetCard) -> str:
    """The card's own BibTeX; empty where it has none."""
    return card.citation.get("bibtex", "").strip()


def joined(entries: Iterable[str]) -> str:
    """One file of entries, the first of each key: BibTeX refuses a key that comes again."""
    by_key: dict[str, str] = {}
    for entry in filter(None, entries):
        found = re.match(r"\s*@\w+\s*[{(]\s*([^,\s]+)", entry)
        by_key.setdefault(found[1].lower() if found else entry, entry)
    return "\n\n".join(by_key.values()) + "\n"


def _escaped(text: str) -> str:
    return text.translate(_SPECIAL)
