"""`msabench import`: predictions made elsewhere, as a row of a study."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msabench.cli import options as o

if TYPE_CHECKING:
    from msabench.external import Imported


def import_(
    file_of_predictions: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV, TSV, Parquet or JSON with 'id' and 'prediction' (or 'logit_0', …), perhaps 'seed'; "
            "or an NPZ of 'test' (epochs, samples), 'test_ids', 'valid', 'valid_ids'.",
            show_default=False,
        ),
    ],
    method: Annotated[str, typer.Option(help="The name that tables show, marked as external.")],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="As in 'mosi' or 'mosi:aligned'.")],
    seed: Annotated[
        int | None, typer.Option(help="Of the run; not with a column 'seed'.", show_default=False)
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(help="Folder name; default: the only study that has this dataset, else a new one."),
    ] = None,
    text_encoder: Annotated[
        str, typer.Option("--text-encoder", "-t", help="Theirs, as the table shall name it.")
    ] = "unstated",
    text_mode: Annotated[str, typer.Option(help="finetuned, frozen or unstated.")] = "unstated",
    epoch_selection: Annotated[
        str,
        typer.Option(
            help="How the epoch was chosen, in words; 'test' marks the row as an oracle. "
            "Of several epochs: the rule that --selection as-published reads."
        ),
    ] = "",
    pred: Annotated[
        str | None, typer.Option(help="Column of the predictions; logits: several, joined by commas.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", "-f", help="csv, tsv, npz, parquet or json; default: by the file's name."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of what was imported under this name.")
    ] = False,
    twin: Annotated[bool, typer.Option("--twin", help="Made for generated data of the dataset.")] = False,
    file: Annotated[
        Path | None, typer.Option(help="The dataset's feature file, where it lies elsewhere.")
    ] = None,
    data_root: o.DataRoot = Path("datasets"),
    results_root: o.ResultsRoot = Path("results"),
    cache_root: o.CacheRoot = None,
) -> None:
    """Set results trained outside beside those of a study, marked as external.

    Ids are checked against the dataset's split: that of the study's runs, or of the dataset's file.

    Predictions of the test split are required, those of the validation split are not.
    """
    from msabench.errors import unknown
    from msabench.external import Request, import_predictions
    from msabench.external.importing import study_folder

    modes = ("finetuned", "frozen", "unstated")
    if text_mode not in modes:
        raise unknown("--text-mode", text_mode, modes)
    folder = study_folder(results_root, study, dataset)
    done = import_predictions(
        Request(
            path=file_of_predictions,
            method=method,
            dataset=dataset,
            seed=seed,
            form=format_,
            pred=pred,
            text_encoder=text_encoder,
            text_mode=text_mode,  # type: ignore[arg-type]  # checked above
            epoch_selection=epoch_selection,
            replace=replace,
        ),
        folder,
        data_root,
        twin=twin,
        file=file,
        cache_root=cache_root,
    )
    for each in done:
        _say(each)
    typer.echo(f"to compare it: msabench report {folder.name}")


def _say(each: "Imported") -> None:
    spec = each.spec
    epochs = "1 epoch" if each.epochs == 1 else f"{each.epochs} epochs"
    valid = f"{each.valid} of validation" if each.valid else "none of validation"
    typer.echo(
        f"{each.outcome}: {spec.method} on {spec.dataset}, seed {spec.seed} ({each.key}): "
        f"{each.test} predictions of the test split, {valid}, {epochs}"
    )
    for remark in each.remarks:
        typer.secho(f"warning: seed {spec.seed}: {remark}", fg=typer.colors.YELLOW, err=True)
