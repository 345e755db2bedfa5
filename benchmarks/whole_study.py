"""Wall-clock of one whole study beside MMSA with the same seeds, epochs and file, both on the whole machine.

From the start of the process to its last line: MMSA trains one run after another with all threads and keeps
a row of results; ours runs a worker a core, keeps predictions of every epoch on validation and test, scores
them and mirrors them in MLflow. Scaling is the same study with one worker.

MMSA's LF-DNN and TFN cannot train on a last batch of one sample, so a `--scale` that leaves one (of 32 or
128) will not do; 0.24 will.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.against_mmsa import HERE, make_inputs, peer_environment


def main(options: argparse.Namespace) -> None:
    """Run the study with MMSA, with ours, and with ours on one worker; print the table."""
    python = peer_environment(options.work / "peer")
    data, bert = make_inputs(options)
    methods = [name for name in options.study_methods.split(",") if name != "almt" or options.mmsa_src]
    seeds = list(range(1111, 1111 + options.study_seeds))
    job = {
        "methods": methods,
        "seeds": seeds,
        "epochs": options.study_epochs,
        "data": str(data),
        "bert": str(bert),
        "threads": os.cpu_count() or 1,
        "loaders": 0,
        "mmsa_src": str(options.mmsa_src.resolve()) if options.mmsa_src else "",
        "work": str(options.work / "mmsa"),
    }
    print(
        f"\nstudy: {', '.join(methods)} x MOSI twin (scale {options.scale}) x {len(seeds)} seeds x "
        f"{options.study_epochs} epochs"
    )
    theirs, done = timed([str(python), str(HERE / "peer_study.py"), json.dumps(job)])
    trained = json.loads(done.strip().splitlines()[-1])
    expected = {"trainings": len(methods) * len(seeds)}
    expected["epochs"] = expected["trainings"] * options.study_epochs
    if trained != expected:
        raise SystemExit(f"MMSA trained {trained}, expected {expected}")
    print("| trainer | wall s | of MMSA's |\n| --- | --- | --- |")
    print(f"| MMSA, {job['threads']} threads | {theirs:.1f} | 1 |", flush=True)
    many = ours(options, bert, methods, seeds, workers=job["threads"])
    print(f"| msabench, {job['threads']} workers | {many:.1f} | {many / theirs:.2f} |", flush=True)
    one = ours(options, bert, methods, seeds, workers=1)
    print(f"| msabench, 1 worker | {one:.1f} | {one / theirs:.2f} |")
    print(f"\nscaling, 1 worker to {job['threads']}: {one / many:.2f} x", flush=True)


def ours(
    options: argparse.Namespace, bert: Path, methods: list[str], seeds: list[int], workers: int
) -> float:
    """Seconds of `msabench run`, in an empty results folder with the feature file not yet converted."""
    results, cache = options.work / "study-results", options.work / "study-cache"
    for folder in (results, cache):
        shutil.rmtree(folder, ignore_errors=True)
    command = [
        *(sys.executable, "-c", "from msabench.cli import main; main()", "run"),
        *("--methods", ",".join(methods), "--datasets", "mosi:unaligned", "--twin"),
        *("--scale", str(options.scale), "--data-root", str(options.work), "--cache-root", str(cache)),
        *("--results-root", str(results), "--seeds", ",".join(map(str, seeds))),
        *("--epochs", str(options.study_epochs), "--patience", "0", "--text-encoder", str(bert)),
        *("--workers", str(workers), "--name", "study"),
    ]
    seconds, _ = timed(command)
    records = len(list((results / "study" / "runs").glob("*/predictions.npz")))
    if records != len(methods) * len(seeds):
        raise SystemExit(f"{records} runs are recorded, expected {len(methods) * len(seeds)}")
    return seconds


def timed(command: list[str]) -> tuple[float, str]:
    """Wall seconds of a process, and what it printed."""
    started = time.perf_counter()
    done: Any = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[:3]} failed:\n{done.stderr[-3000:]}")
    return time.perf_counter() - started, done.stdout
