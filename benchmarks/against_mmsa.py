"""Seconds per epoch and peak memory beside MMSA's own trainer: same file, threads, epochs and machine.

Each trainer runs in a process of its own, in turn; a ratio is of medians over all measured epochs. An epoch
of ours predicts validation and test; one of MMSA's predicts validation alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RELATIVES = {"setgf": "tetfn"}
"""Of a method without public code, the nearest that MMSA has; TETFN pools audio and vision to 50 frames"""
ONLY_OURS = ("r3dg", "mlcl", "cmcbep_cl")
"""Methods that MMSA lacks; `against_references` measures them"""


def main(options: argparse.Namespace) -> None:
    """Prepare file, encoder and environment, measure in turn, print the table."""
    python = peer_environment(options.work / "peer")
    data, bert = make_inputs(options)
    print(
        "\n| method | MMSA s/epoch | msabench s/epoch | ratio | MMSA MiB | msabench MiB | ratio |\n"
        + "| --- " * 7
        + "|"
    )
    for method in options.methods.split(","):
        if method in ONLY_OURS:
            continue
        if method == "almt" and not options.mmsa_src:
            print("| almt | not measured: the packaged MMSA has no ALMT; give --mmsa-src | | | | | |")
            continue
        job = {
            "method": method,
            "peer": RELATIVES.get(method, method),
            "dataset": "mosi:unaligned",
            "data": str(data),
            "root": str(options.work),
            "scale": options.scale,
            "bert": str(bert),
            "threads": options.threads,
            "epochs": options.epochs + 1,
            "mmsa_src": str(options.mmsa_src.resolve()) if options.mmsa_src else "",
            "work": str(options.work / "mmsa"),
        }
        theirs, ours = [], []
        for _ in range(options.rounds):
            theirs.append(measure([str(python), str(HERE / "peer_mmsa.py")], job))
            ours.append(measure([sys.executable, "-m", "benchmarks.one_run"], job))
        peer = f" (MMSA: {RELATIVES[method]})" if method in RELATIVES else ""
        print(row(method + peer, theirs, ours), flush=True)


def row(method: str, theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> str:
    """A line of the table; each run's first epoch is a warm-up and is not counted."""
    a, b = (statistics.median(s for run in runs for s in run["seconds"][1:]) for runs in (theirs, ours))
    m, n = (max(run["peak_mib"] for run in runs) for runs in (theirs, ours))
    return f"| {method} | {a:.2f} | {b:.2f} | {b / a:.2f} | {m:.0f} | {n:.0f} | {n / m:.2f} |"


def measure(command: list[str], job: dict[str, Any]) -> dict[str, Any]:
    """Run one trainer in its own process; it prints one line of JSON at its end."""
    done = subprocess.run([*command, json.dumps(job)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[-1]} failed on {job['method']}:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def peer_environment(folder: Path) -> Path:
    """MMSA in a virtual environment of its own: its requirements clash with ours."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"installing MMSA into {folder} ...", flush=True)
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "torch==2.13.0"], check=True)
        subprocess.run([*pip, "MMSA", "pytorch_transformers", "einops"], check=True)
        (folder / "ready").touch()
    return python


def make_inputs(options: argparse.Namespace) -> tuple[Path, Path]:
    """The MOSI twin where both trainers look for it, and a random BERT of two layers, 768 wide."""
    from msabench.data.cards import DATASETS
    from msabench.data.twin import ensure_twin

    twin = ensure_twin(DATASETS["mosi"], "unaligned", options.work, options.scale)
    place = options.work / "data" / "MOSI" / "Processed" / "unaligned_50.pkl"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(twin)
    bert = options.work / "bert" / "bert-base-uncased"
    if not (bert / "pytorch_model.bin").exists():
        random_bert(bert)
    return options.work / "data", bert


def random_bert(folder: Path, layers: int = 2) -> None:
    """Two layers instead of twelve: what surrounds the encoder is what is compared."""
    import torch
    from transformers import BertConfig, BertModel

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model = BertModel(BertConfig(num_hidden_layers=layers))
    model.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    special = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    tokens = [special.get(i, f"[unused{i}]") for i in range(30522)]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    settings = {"do_lower_case": True, "tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
