"""Seconds per epoch and peak memory beside each method's public reference code, on the same tensors.

The MOSI twin is prepared once as our trainer prepares it, and given to the reference as arrays. Each trainer
runs in a process of its own, in turn; a ratio is of medians over all measured epochs. An epoch is one pass
over the training split and the predictions of validation and test. The text encoder is a random BERT of
`--layers` layers on both sides: what surrounds it is what is compared. SETGF has no public model.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np

from benchmarks.against_mmsa import HERE, measure, random_bert, row

CHECKOUTS = {"r3dg": "R3DG", "almt": "ALMT", "mlcl": "MLCL", "cmcbep_cl": "CMCBEP-CL"}
"""Folder of each reference below `--references`"""
DATASETS = {"r3dg": "mosi:mag", "mlcl": "mosi:mag"}
"""Feature files of the reference's own MOSI commands; `mosi:unaligned` for the others"""


def main(options: argparse.Namespace) -> None:
    """Prepare tensors, encoder and environment, measure in turn, print the table."""
    if options.references is None:
        print("\nreferences: not measured; give --references, a folder with", ", ".join(CHECKOUTS.values()))
        return
    python = environment(options.work / "references")
    bert = options.work / f"bert-{options.layers}"
    if not (bert / "pytorch_model.bin").exists():
        random_bert(bert, options.layers)
    columns = (
        "method", "reference s/epoch", "msabench s/epoch", "ratio", "reference MiB", "msabench MiB", "ratio"
    )  # fmt: skip
    print(f"\n| {' | '.join(columns)} |\n{'| --- ' * len(columns)}|")
    for method in [name for name in options.methods.split(",") if name in CHECKOUTS]:
        dataset = DATASETS.get(method, "mosi:unaligned")
        job = {
            "method": method,
            "dataset": dataset,
            "tensors": str(export(method, dataset, bert, options)),
            "source": str((options.references / CHECKOUTS[method]).resolve()),
            "root": str(options.work),
            "scale": options.scale,
            "bert": str(bert),
            "layers": options.layers,
            "threads": options.threads,
            "epochs": options.epochs + 1,
        }
        theirs, ours = [], []
        for _ in range(options.rounds):
            theirs.append(measure([str(python), str(HERE / "peer_reference.py")], job))
            ours.append(measure([sys.executable, "-m", "benchmarks.one_run"], job))
        print(row(method, theirs, ours), flush=True)


def environment(folder: Path) -> Path:
    """The library versions that the references name, in a virtual environment of their own."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"installing the references' requirements into {folder} ...", flush=True)
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "torch==2.13.0"], check=True)
        subprocess.run([*pip, "transformers==4.30.2", "einops", "pyyaml"], check=True)
        (folder / "ready").touch()
    return python


def export(method: str, dataset: str, bert: Path, options: argparse.Namespace) -> Path:
    """The twin's tensors in the form that the method asks for, one .npz a split."""
    import torch

    from msabench import encoders
    from msabench.data import open_source, source
    from msabench.method import METHODS
    from msabench.tensors import prepare

    folder: Path = options.work / "tensors" / f"{method}-{options.scale}"
    if not (folder / "test.npz").exists():
        folder.mkdir(parents=True, exist_ok=True)
        data = open_source(source(dataset, options.work, twin=True, scale=options.scale))
        ref = encoders.resolve(str(bert), "en")
        cls = METHODS[method]
        form = cls.inputs(cls.hyperparameters(**METHODS.card(method).values(dataset)))
        made = prepare(data, form, ref, finetuned=True, device=torch.device("cpu"))
        for name in ("train", "valid", "test"):
            split = getattr(made, name)
            np.savez(
                folder / f"{name}.npz",
                tokens=split.tokens.long().numpy(),
                audio=split.audio.numpy(),
                vision=split.vision.numpy(),
                audio_lengths=split.audio_lengths.numpy(),
                vision_lengths=split.vision_lengths.numpy(),
                labels=split.labels.nan_to_num(0).numpy(),
            )
    return folder
