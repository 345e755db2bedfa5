"""`msabench compare`: is A better than B, by how much, and would another epoch rule change the answer?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from msabench.cli.options import ResultsRoot, names


def compare(
    study: Annotated[str, typer.Argument(help="The study's folder name (msabench status lists them).")],
    rows: Annotated[
        list[str] | None, typer.Argument(help="Rows as the table names them: tfn 'almt\\[fusion=off]'.")
    ] = None,
    results_root: ResultsRoot = Path("results"),
    reference: Annotated[
        str | None, typer.Option(help="Compare each row (all, if none is named) with this one.")
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Default: all of the study.")] = None,
    convention: Annotated[
        str | None, typer.Option("--convention", "-c", help="Default: each dataset's own.")
    ] = None,
    selection: Annotated[
        list[str] | None,
        typer.Option(
            "--selection",
            "-s",
            help="Epoch rules; the first gives the verdict. Default: same-epoch, best-epoch, as-published.",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric", "-m", help="Keys, repeated or with commas; default: those of a paper's table."
        ),
    ] = None,
    test: Annotated[
        str,
        typer.Option(
            help="two-source; over seeds alone: welch, permutation, mann-whitney, wilcoxon; of two "
            "checkpoints: randomisation, mcnemar."
        ),
    ] = "two-source",
    seed: Annotated[int | None, typer.Option(help="Of the two checkpoints.")] = None,
    alpha: Annotated[float, typer.Option(help="Level of the test.")] = 0.05,
    track: Annotated[str | None, typer.Option(help="paper or tuned, where a row has both.")] = None,
    text_encoder: Annotated[
        str | None, typer.Option("--text-encoder", "-t", help="Where a row has several.")
    ] = None,
    allow_unequal_budgets: Annotated[
        bool,
        typer.Option(
            "--allow-unequal-budgets", help="Compare rows whose searches differ in budget; it is said."
        ),
    ] = False,
    format_: Annotated[
        str, typer.Option("--format", "-f", help="terminal, json, csv, latex or markdown.")
    ] = "terminal",
    out: Annotated[Path | None, typer.Option(help="File to write to instead of standard output.")] = None,
    standalone: Annotated[
        bool, typer.Option("--standalone", help="Make the LaTeX a document that compiles by itself.")
    ] = False,
    latex_numbers: Annotated[
        str, typer.Option(help="Who aligns figures in LaTeX: siunitx, or plain, without that package.")
    ] = "siunitx",
) -> None:
    """Say whether one row of a study is better than another, and how sure of it one may be.

    Nothing is trained: the same records answer for every convention, epoch rule and test.
    """
    from msabench.cli.folders import study_folder
    from msabench.cli.progress import working
    from msabench.errors import SpecError, unknown
    from msabench.report.judging import verdicts
    from msabench.report.latex_figures import Latex, checked
    from msabench.report.render_verdicts import RENDERERS, show, to_latex
    from msabench.report.verdicts import SELECTIONS_SHOWN, Question

    if format_ not in ("terminal", *RENDERERS):
        raise unknown("format", format_, ("terminal", *RENDERERS))
    if format_ == "terminal" and out is not None:
        raise SpecError("--out needs a --format other than terminal", fix="--format markdown")
    latex = Latex(document=standalone, numbers=checked(latex_numbers))
    asked = Question(
        rows=tuple(rows or ()),
        reference=reference or "",
        dataset=dataset,
        convention=convention,
        selections=names(selection) or tuple(SELECTIONS_SHOWN),
        metrics=names(metric),
        track=track,
        text_encoder=text_encoder,
        test=test,
        alpha=alpha,
        seed=seed,
        allow_unequal_budgets=allow_unequal_budgets,
    )
    folder = study_folder(results_root, study)
    with working("reading the records and resampling them"):
        found = verdicts(folder, asked)
    if format_ == "terminal":
        show(found)
        return
    text = to_latex(found, latex) if format_ == "latex" else RENDERERS[format_](found)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SpecError(f"the comparison cannot be written: {error}", where=str(out)) from error
    typer.echo(f"written: {out}")
