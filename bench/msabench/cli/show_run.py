"""What `msabench show` prints of a recorded run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from msabench.cli.show import facts, grid, heading

if TYPE_CHECKING:
    from rich.console import Console

    from msabench.run import RunRecord

ENDINGS = {
    "epochs": "all epochs trained",
    "patience": "stopped early",
    "seconds": "ended by the limit on seconds",
    "pruned": "pruned by its search",
    "": "",
}
"""What ended training, in words"""
SHORTEST = 4
"""Fewer digits of a key than this stand for no run: they would meet a run by chance."""


def find_runs(results_root: Path, beginning: str = "") -> dict[str, list[Path]]:
    """Keys that begin like this, or all, to the folders of the studies that hold them.

    Raises
    ------
    SpecError
        If the beginning is that of several runs.
    """
    from msabench.errors import SpecError

    if 0 < len(beginning) < SHORTEST:
        return {}
    found: dict[str, list[Path]] = {}
    for path in sorted(results_root.glob("[!.]*/runs/[!.]*/run.json")):
        key = path.parent.name
        if key.startswith(beginning):
            found.setdefault(key, []).append(path.parents[2])
    if beginning and len(found) > 1:
        raise SpecError(
            f"'{beginning}' begins {len(found)} runs: {', '.join(list(found)[:8])}", fix="give more digits"
        )
    return found


def print_run(console: Console, study: Path, key: str) -> None:
    """Spec, outcome, environment, epochs and scores of one run."""
    from msabench.engines.job import log_path
    from msabench.records import Store
    from msabench.registry import RECONSTRUCTION, reconstructions

    record = Store(study).get(key)
    spec = record.spec
    heading(console, f"{spec.row} on {spec.dataset}, seed {spec.seed}: run {key} of study {study.name}")
    if spec.data_kind == "twin":
        console.print("[yellow]Trained on generated data (a twin), not on the dataset itself.[/]")
    if reconstructions([spec.row]):
        console.print(f"[yellow]{RECONSTRUCTION}[/]")
    _print_spec(console, record)
    if record.failure:
        heading(console, f"Failed: {record.failure.cause}")
        console.print(record.failure.message, markup=False)
        console.print(record.failure.traceback, markup=False, style="dim")
    log = log_path(study, key)
    if log.is_file():
        console.print(f"What it printed: {log}", markup=False, highlight=False, soft_wrap=True)
    if record.epochs:
        _print_epochs(console, record)
    if record.status == "finished":
        _print_scores(console, record)


def _print_spec(console: Console, record: RunRecord) -> None:
    spec, seconds = record.spec, record.seconds
    ended = ENDINGS[record.stopped]
    budget = [f"{name} {value}" for name, value in vars(spec.budget).items() if value is not None]
    facts(
        console,
        {
            "status": f"{record.status}; {ended}" if ended else record.status,
            "data": f"{spec.data_kind}, sha256 {spec.data_hash[:16]}",
            "track": spec.track,
            "text encoder": f"{spec.text_encoder}, {spec.text_mode}",
            "budget": ", ".join(budget) or "the method's own",
            "hyperparameters": ", ".join(f"{name} {value}" for name, value in spec.hyperparameters.items()),
            "parameters": ", ".join(f"{name} {count:,}" for name, count in record.parameters.items()),
            "started": record.started,
            "epochs": record.epochs,
            "seconds": f"{sum(seconds) / len(seconds):.2f} an epoch, {record.setup_seconds:.1f} to set up"
            if seconds
            else "",
            "peak memory": f"{record.peak_memory_mib:.0f} MiB",
            "notes": "; ".join(record.notes),
        },
    )
    if record.environment:
        heading(console, "Environment")
        facts(console, record.environment)


def _print_epochs(console: Console, record: RunRecord) -> None:
    """The first, the selected and the last epoch."""
    from msabench.selection import select

    chosen = 0
    if record.status == "finished":
        chosen = next(iter(select(record, "same-epoch", record.convention).values()), 0) or 0
    terms = list(record.losses[0]) if record.losses else []
    heading(console, "Epochs")
    table = grid("epoch", *(f"loss: {term}" for term in terms), "valid loss", "valid criterion", "seconds")
    for epoch in sorted({1, chosen or 1, record.epochs}):
        at = epoch - 1
        losses = [f"{record.losses[at].get(term, math.nan):.4f}" for term in terms]
        rest = [
            f"{values[at]:.4f}" if at < len(values) else ""
            for values in (record.valid_loss, record.valid_criterion, record.seconds)
        ]
        table.add_row(f"{epoch} (selected)" if epoch == chosen else str(epoch), *losses, *rest)
    console.print(table)


def _print_scores(console: Console, record: RunRecord) -> None:
    from msabench.metrics import CONVENTIONS
    from msabench.selection import scored

    same = scored(record, "same-epoch", record.convention)
    best = scored(record, "best-epoch", record.convention)
    heading(console, f"Test figures, convention {record.convention}")
    table = grid("metric", "same-epoch", "epoch", "best-epoch (oracle)", "epoch")
    for metric in CONVENTIONS[record.convention].metrics:
        row = [metric.label]
        for reading in (same, best):
            value, epoch = reading.get(metric.key, (None, 0))
            row += [_figure(value, metric.percent), str(epoch or "")]
        table.add_row(*row)
    console.print(table)
    console.print(
        "Oracle figures take the epoch from the test split: no model can be chosen so.", style="dim"
    )


def _figure(value: float | None, percent: bool) -> str:
    if value is None or math.isnan(value):
        return "undefined"
    return f"{100 * value:.2f} %" if percent else f"{value:.4f}"
