"""What must be said beside the figures: title, caption and footnotes.

No figure without n, spread, convention, selection, track, text encoder and data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from string import ascii_lowercase
from typing import TYPE_CHECKING

from msabench import __version__
from msabench.metrics import CONVENTIONS
from msabench.registry import RECONSTRUCTION
from msabench.report.blocks import RowTitle
from msabench.report.table import FEWER, RECONSTRUCTED, TWIN, UNDEFINED, Block, Coverage, Group, Note
from msabench.run import Budget

if TYPE_CHECKING:
    import pandas as pd


def title(groups: Sequence[Group]) -> str:
    """The datasets, twins marked."""
    return "Comparison on " + ", ".join(dict.fromkeys(group.data for group in groups))


def nothing(failures: int) -> str:
    """The sentence of a study without a finished run."""
    if failures:
        return f"No run of this study has finished; {_count(failures, 'run')} failed, listed with the cause."
    return "No run of this study has finished or failed: nothing has been recorded yet."


def caption(
    frame: pd.DataFrame,
    groups: Sequence[Group],
    blocks: Sequence[Block],
    failures: int,
    budget: Budget | None,
) -> str:
    """All of fairness rule 6 in sentences."""
    sentences = [f"Test split, {_spread(blocks)}.", "Best of comparable rows in bold."]
    return " ".join([*sentences, *conditions(frame, groups, blocks, failures, budget)])


def conditions(
    frame: pd.DataFrame,
    groups: Sequence[Group],
    blocks: Sequence[Block],
    failures: int,
    budget: Budget | None,
) -> list[str]:
    """The sentences of a caption that hold for plots too: all of fairness rule 6 but n and spread."""
    finished = frame["key"].nunique()
    sentences = [
        f"Metric convention: {_conventions(groups)}.",
        f"Epoch selection: {_selections(blocks)}.",
        f"Track: {', '.join(sorted({line.track for block in blocks for line in block.lines}))}.",
        f"Text encoder: {_encoders(blocks)}.",
        f"Data: {_data(groups)}.",
        budget_sentence(budget),
        f"{failures} of {finished + failures} runs failed and are in no mean." if failures else "",
        f"msabench {__version__}.",
    ]
    return [sentence for sentence in sentences if sentence]


def row_notes(
    frame: pd.DataFrame, titles: Mapping[str, RowTitle]
) -> tuple[list[Note], dict[str, tuple[str, ...]]]:
    """Footnotes that concern rows, and each row's marks: reconstructions, and what the runs note."""
    notes = []
    marks: dict[str, tuple[str, ...]] = {
        row: (RECONSTRUCTED,) for row, t in titles.items() if t.reconstruction
    }
    if marks:
        notes.append(Note(mark=RECONSTRUCTED, text=RECONSTRUCTION))
    said: dict[str, dict[str, None]] = {}
    for row, text in frame[["row", "notes"]].drop_duplicates().sort_values("row").itertuples(index=False):
        if text:
            said.setdefault(str(text), {})[str(row)] = None
    for place, (text, rows) in enumerate(said.items()):
        mark = ascii_lowercase[place % 26] * (1 + place // 26)
        notes.append(Note(mark=mark, text=text))
        marks.update({row: (*marks.get(row, ()), mark) for row in rows})
    return notes, marks


def fewer_note(blocks: Sequence[Block]) -> list[Note]:
    """Which rows lack seeds that others have, which seeds, and how many runs failed."""
    short: dict[str, None] = {}
    for line in blocks[0].lines:
        for group, runs in line.coverage.items():
            if runs.absent or runs.failed:
                why = [f"{runs.failed} failed"] if runs.failed else []
                why += [f"no result of {_seeds(runs.absent)}"] if runs.absent else []
                short[f"{line.title} on {group.data} {runs.n} ({', '.join(why)})"] = None
    if not short:
        return []
    return [Note(mark=FEWER, text=f"Fewer seeds than other rows, or failed runs: {'; '.join(short)}.")]


def _seeds(seeds: Sequence[int], shown: int = 6) -> str:
    more = f" and {len(seeds) - shown} more" if len(seeds) > shown else ""
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds[:shown]))}{more}"


def undefined_note(blocks: Iterable[Block]) -> list[Note]:
    """What a dash stands for, if there is one."""
    if not any(cell.undefined for block in blocks for line in block.lines for cell in line.cells.values()):
        return []
    text = (
        "(k/n): undefined for k of n seeds, as the correlation of a constant prediction is; "
        "no mean over the others is given."
    )
    return [Note(mark=UNDEFINED, text=text)]


def _runs(blocks: Sequence[Block]) -> list[Coverage]:
    return [runs for line in blocks[0].lines for runs in line.coverage.values()]


def _spread(blocks: Sequence[Block]) -> str:
    sizes = sorted({runs.n for runs in _runs(blocks) if runs.n})
    if sizes == [1]:
        return f"one seed (n = 1), so no spread (±{UNDEFINED})"
    n = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}, see column n"
    lone = f"; ±{UNDEFINED} where n = 1" if 1 in sizes else ""
    return f"mean ± standard deviation over seeds (ddof = 1; n = {n}{lone})"


def _conventions(groups: Sequence[Group]) -> str:
    by_name: dict[str, dict[str, None]] = {}
    for group in groups:
        by_name.setdefault(group.convention, {})[group.dataset] = None
    if len(by_name) == 1:
        return _with_title(next(iter(by_name)))
    return "; ".join(f"{_with_title(name)} for {', '.join(of)}" for name, of in by_name.items())


def _with_title(convention: str) -> str:
    known = CONVENTIONS.get(convention)
    return f"{convention} ({known.title})" if known and known.title else convention


def _selections(blocks: Sequence[Block]) -> str:
    gap = "gaps are oracle minus same-epoch, signed so that positive is optimistic"
    labels = [block.label for block in blocks if not block.gap]
    return "; ".join([*labels, gap] if any(block.gap for block in blocks) else labels)


def _encoders(blocks: Sequence[Block]) -> str:
    """Which encoder on which dataset, and which rows fine-tune it."""
    ours = [line for line in blocks[0].lines if line.track != "external"]
    theirs = "" if len(ours) == len(blocks[0].lines) else "of external rows as their notes say"
    if not ours:
        return theirs
    datasets: dict[str, dict[str, None]] = {}
    modes: dict[str, dict[str, None]] = {}
    for line in ours:
        for group, runs in line.coverage.items():
            datasets.setdefault(runs.text_encoder, {})[group.dataset] = None
        mode = " and ".join(sorted({runs.text_mode for runs in line.coverage.values()}))
        modes.setdefault(mode, {})[line.title] = None
    encoders = "; ".join(f"{name} on {', '.join(on)}" for name, on in datasets.items())
    if len(datasets) == 1:
        encoders = next(iter(datasets))
    *few, most = sorted(modes, key=lambda mode: len(modes[mode]))
    said = f"{encoders}, {most}"
    if few:
        said += ", but " + "; ".join(f"{mode} for {', '.join(modes[mode])}" for mode in few)
    return f"{said}; {theirs}" if theirs else said


def _data(groups: Sequence[Group]) -> str:
    parts = []
    for group in {(g.dataset, g.data_kind): g for g in groups}.values():
        twin = f"{group.dataset} is a {TWIN} (generated: its figures say nothing of the real dataset)"
        parts.append(twin if group.data_kind == "twin" else f"{group.dataset} is real")
    return "; ".join(parts)


def budget_sentence(budget: Budget | None) -> str:
    """What a run might spend; empty where nothing is known of it."""
    if budget is None:
        return ""
    epochs = (
        "each method's published epochs"
        if budget.epochs is None
        else f"at most {_count(budget.epochs, 'epoch')}"
    )
    patience = {None: "each method's published patience", 0: "no early stopping"}.get(
        budget.patience, f"patience {budget.patience}"
    )
    if budget.seconds is None:
        return f"Budget: {epochs}, {patience}."
    limit = f"at most {budget.seconds:g} s a run, so that the machine's speed decides how many epochs fit"
    return f"Budget: {epochs}, {patience}, {limit}."


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
