"""`msabench data check`: what is in a feature file, and everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from msabench.data.describe import FileReport, SplitReport


def check(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_NAME", help="A feature file or folder, or a dataset as in mosi:aligned."
        ),
    ],
    dataset: Annotated[
        str, typer.Option("--dataset", help="Compare a file with this dataset's card (label range, sizes).")
    ] = "",
    data_root: Annotated[
        Path, typer.Option("--data-root", envvar="MSABENCH_DATA", help="Where feature files are.")
    ] = Path("datasets"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Describe and check a feature file. Ends with status 1 if a run could not use it."""
    from msabench.cli.progress import working
    from msabench.data.cache import default_root
    from msabench.data.cards import resolve
    from msabench.data.describe import describe
    from msabench.data.load import source

    path = Path(target)
    if path.exists() or path.suffix == ".pkl" or len(path.parts) > 1:
        card, variant = resolve(dataset) if dataset else (None, None)
        with working(f"reading {path}"):
            report = describe(path, card, variant, cache_root=default_root(data_root))
    else:
        with working(f"reading {target}"):
            found = source(target, data_root)
            report = describe(found.path, found.card, found.variant, found.kind, found.cache_root)
    if as_json:
        import json

        typer.echo(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        _print(report)
    if not report.sound:
        raise typer.Exit(1)


def _print(report: FileReport) -> None:
    typer.echo(f"{report.file}  ({report.bytes / 2**20:.1f} MiB, {report.kind})")
    typer.echo(f"sha256  {report.sha256}")
    typer.echo(f"layout  {f'{report.layout}: {report.title}' if report.layout else 'none that is known'}")
    if report.structure and not report.splits:  # else each split is listed below
        typer.echo(f"holds   {report.structure}")
    typer.echo(f"card    {report.dataset or 'none; --dataset NAME compares it with one'}")
    for split in report.splits:
        _print_split(split)
    typer.echo("")
    for finding in report.findings:
        typer.echo(f"{finding.severity}: {finding.what}\n  where: {finding.where}")
        if finding.fix:
            typer.echo(f"  to mend it: {finding.fix}")
    errors = sum(finding.severity == "error" for finding in report.findings)
    others = len(report.findings) - errors
    plural = "" if errors == 1 else "s"
    verdict = "sound" if report.sound else "not usable"
    typer.echo(f"{errors} error{plural}, {others} warnings and notes: {verdict}")


def _print_split(split: SplitReport) -> None:
    typer.echo(f"\n{split.name}  (ids {', '.join(split.ids)}, …)")
    for key in split.keys:
        typer.echo(f"  {key.key:<26}{key.stored:<18}{' x '.join(map(str, key.shape))}")
    if split.labels is not None:
        of = split.labels
        typer.echo(
            f"  labels from {of.lowest:g} to {of.highest:g}, mean {of.mean:.3f}, "
            f"deviation {of.deviation:.3f}, {100 * of.zeros:.1f} % zeros"
        )
        counts = "  ".join(f"{value}: {count}" for value, count in of.histogram.items())
        typer.echo(f"  rounded  {counts}")
