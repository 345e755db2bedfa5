"""A method that brings its worker down loses its own run only, and the record says how."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENDINGS = {
    "segfault": ("killed", "SIGSEGV", "Segmentation fault"),
    "leave": ("killed", "exit code 0", "about to leave"),
    "quit": ("exception", "SystemExit", "about to quit"),
    "kill": ("killed", "SIGKILL", "about to kill"),
    "hang": ("timeout", "--time-limit", "on_epoch_start"),
    "raise": ("exception", "as asked", "RuntimeError"),
}
"""Of each fault: the cause that is recorded, words of its message, words of its log"""


def test_each_loses_its_own_run_only(
    study: Callable[..., list[str]],
    faulty: dict[str, str],
    call: Callable[..., subprocess.CompletedProcess[str]],
    records: Callable[[Path], dict[str, dict[str, Any]]],
    tmp_path: Path,
) -> None:
    rows = ["lf_dnn", *(f"faulty[fault={fault}]" for fault in ENDINGS), "faulty"]
    done = call(study(methods=",".join(rows), seeds="1", time_limit="20"), faulty)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    found = {record["spec"]["variant"]: (key, record) for key, record in
             records(tmp_path / "results" / "s").items() if record["spec"]["method"] == "faulty"}  # fmt: skip
    assert found[""][1]["status"] == "finished"
    lf_dnn = [r for r in records(tmp_path / "results" / "s").values() if r["spec"]["method"] == "lf_dnn"]
    assert [record["status"] for record in lf_dnn] == ["finished"]
    for fault, (cause, message, logged) in ENDINGS.items():
        key, record = found[f"fault={fault}"]
        assert record["failure"]["cause"] == cause, record["failure"]
        assert message in record["failure"]["message"]
        log = (tmp_path / "results" / "s" / "logs" / f"{key}.log").read_text()
        assert logged in log, log
        assert cause in ("exception",) or f"{key}.log" in record["failure"]["message"]
    shown = call([*study()[:1], "show", found["fault=segfault"][0], "--results-root",
                  str(tmp_path / "results")], faulty)  # fmt: skip
    assert f"{found['fault=segfault'][0]}.log" in shown.stdout, shown.stdout + shown.stderr
