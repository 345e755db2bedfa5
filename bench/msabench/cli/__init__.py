"""The command line: one file a verb, each of which parses, calls and prints.

Nothing heavy is imported here or at the top of a verb's file: `msabench --help` must answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from msabench.cli.check import check
from msabench.cli.collect import collect
from msabench.cli.compare import compare
from msabench.cli.data import check as data_check
from msabench.cli.data_add import add as data_add
from msabench.cli.data_get import get as data_get
from msabench.cli.data_twin import twin as data_twin
from msabench.cli.doctor import doctor
from msabench.cli.import_ import import_
from msabench.cli.listing import list_
from msabench.cli.merge import merge
from msabench.cli.new import method as new_method
from msabench.cli.plan import plan
from msabench.cli.plot import plot
from msabench.cli.power import power
from msabench.cli.report import report
from msabench.cli.run import run
from msabench.cli.score import score
from msabench.cli.search import show as search_show
from msabench.cli.show import show
from msabench.cli.site import site
from msabench.cli.status import status
from msabench.cli.sync import sync
from msabench.errors import MsabenchError, write_errors

app = typer.Typer(
    help="Compare multimodal sentiment analysis methods fairly: train once, judge later.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
VERBS: dict[str, Callable[..., None]] = {
    "run": run,
    "plan": plan,
    "status": status,
    "collect": collect,
    "report": report,
    "compare": compare,
    "power": power,
    "plot": plot,
    "site": site,
    "import": import_,
    "merge": merge,
    "list": list_,
    "show": show,
    "score": score,
    "check": check,
    "sync": sync,
    "doctor": doctor,
}
for name, verb in VERBS.items():
    app.command(name)(verb)

new = typer.Typer(help="Write a working skeleton.", no_args_is_help=True)
new.command("method")(new_method)
app.add_typer(new, name="new")

search = typer.Typer(help="What a search of hyperparameters tried, chose and spent.", no_args_is_help=True)
search.command("show")(search_show)
app.add_typer(search, name="search")

data = typer.Typer(help="Get, check, add and generate datasets.", no_args_is_help=True)
data.command("get")(data_get)
data.command("check")(data_check)
data.command("add")(data_add)
data.command("twin")(data_twin)
app.add_typer(data, name="data")


@app.callback(invoke_without_command=True)
def _version(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    if version:
        from msabench import __version__

        typer.echo(f"msabench {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """The console script: bad input ends with its message and exit code 2, never with a stack trace.

    So does a disk that refuses what a verb writes, as its tables.
    """
    try:
        with write_errors():
            app()
    except MsabenchError as error:
        typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
        sys.exit(2)
