"""What a person sees while msabench works: in a study an overall bar, and a bar for each run in training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.status import Status

from msabench.engines.job import RunProgress
from msabench.run import RunRecord


def working(on: str) -> Status:
    """Shown on the terminal while a verb computes, and gone before it prints; a pipe sees nothing of it."""
    return Console(emoji=False, stderr=True).status(f"{escape(on)} …")


class Screen:
    """An `execute.Observer` on the terminal; on a pipe it prints a line for each run that ends."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(emoji=False, stderr=True)
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            TimeElapsedColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.total: TaskID | None = None
        self.preparation: TaskID | None = None
        self.tasks: dict[str, TaskID] = {}
        self.done = self.planned = 0

    def __enter__(self) -> Screen:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def preparing(self, what: str) -> None:
        """Print it: preparations are few."""
        self.console.print(f"[dim]preparing[/] {escape(what)}", highlight=False, soft_wrap=True)

    def prepared(self, done: int, total: int) -> None:
        """Move the bar of a long preparation; it goes when that is done."""
        if self.preparation is None:
            self.preparation = self.bars.add_task("  sentences", total=total, note="")
        self.bars.update(self.preparation, completed=done)
        if done >= total:
            self.bars.remove_task(self.preparation)
            self.preparation = None

    def started(self, total: int, recorded: int, what: str) -> None:
        """Show the overall bar."""
        self.done, self.planned = recorded, total
        note = f"{recorded} recorded before" if recorded else ""
        if self.total is not None:
            self.bars.remove_task(self.total)
        self.total = self.bars.add_task(what, total=total, completed=recorded, note=note)
        if recorded:
            self.console.print(f"{recorded} of {total} {what} are recorded already")

    def running(self, runs: Sequence[RunProgress]) -> None:
        """Move the bars of the runs in training."""
        for run in runs:
            if run.key not in self.tasks:
                title = escape(f"  {run.row} {run.dataset} seed {run.seed}")
                self.tasks[run.key] = self.bars.add_task(title, total=run.epochs, note="")
            self.bars.update(
                self.tasks[run.key], completed=run.epoch, note=f"{run.seconds_per_epoch:.2f} s an epoch"
            )

    def ended(self, record: RunRecord) -> None:
        """A line for each run that ends."""
        self.done += 1
        if self.total is not None:
            self.bars.update(self.total, completed=self.done)
        if record.key in self.tasks:
            self.bars.remove_task(self.tasks.pop(record.key))
        spec = record.spec
        what = "trial" if spec.track == "trial" else f"seed {spec.seed}"
        title = escape(f"[{self.done}/{self.planned}] {spec.row} {spec.dataset} {what}")
        if record.failure:
            self.console.print(
                f"[red]failed[/] {title}: {escape(f'{record.failure.cause}: {record.failure.message}')}",
                highlight=False,
                soft_wrap=True,
            )
        else:
            self.console.print(
                f"[green]done[/] {title}: {record.epochs} epochs, {sum(record.seconds):.1f} s",
                highlight=False,
                soft_wrap=True,
            )

    def warn(self, message: str) -> None:
        """Print it in yellow."""
        self.console.print("[yellow]warning:[/]", escape(message), highlight=False, soft_wrap=True)

    def interrupted(self, folder: Path) -> None:
        """Say what is safe and how to go on."""
        self.console.print(
            f"[yellow]stopped.[/] {self.done} of {self.planned} runs are recorded in {escape(str(folder))}; "
            "run the same command again to go on.",
            highlight=False,
            soft_wrap=True,
        )
