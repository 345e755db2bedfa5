"""Time epochs of our trainer for one method, in a process of its own that the tables start."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path


def main() -> None:
    """One method, `epochs` epochs; prints {"seconds": [...], "peak_mib": x}."""
    job = json.loads(sys.argv[1])
    import torch

    torch.set_num_threads(job["threads"])
    from msabench.data import open_source
    from msabench.registry import METHODS
    from msabench.study import StudySpec, plan
    from msabench.train import set_up

    finetuned = METHODS.card(job["method"]).text == "finetuned"
    study = StudySpec(
        methods=(job["method"],),
        datasets=(job["dataset"],),
        seeds=(1111,),
        # LF-DNN and TFN read the file's own features there, as they do in MMSA
        text_encoder=job["bert"] if finetuned else "features",
        twin=True,
        scale=job["scale"],
    )
    made = plan(study, Path(job["root"]))
    run = made.runs[0]
    dataset = open_source(made.sources[run.dataset])
    trainer = set_up(run, dataset, made.encoders[run.dataset], "cpu")
    for _ in range(job["epochs"]):
        trainer.epoch()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": trainer.log.seconds, "peak_mib": peak}))


if __name__ == "__main__":
    main()
