"""Time epochs of an unchanged, installed MMSA on the CPU; runs inside MMSA's own environment.

Needs nothing of ours. Run-time shims for current libraries: `torch.cuda.set_device` is called with the CPU
device, and BERT is taken from a folder instead of a download.
"""

import contextlib
import json
import os
import resource
import sys
import time
from pathlib import Path


class Enough(Exception):
    """Raised after the last epoch that is measured."""


def main() -> None:
    """One method, `epochs` epochs; prints {"seconds": [...], "peak_mib": x}."""
    job = json.loads(sys.argv[1])
    if job["mmsa_src"]:
        sys.path.insert(0, job["mmsa_src"])
    os.environ["HF_HUB_OFFLINE"] = "1"
    work = Path(job["work"])
    work.mkdir(parents=True, exist_ok=True)
    os.chdir(work)
    out = sys.stdout
    sys.stdout = sys.stderr
    import torch

    torch.set_num_threads(job["threads"])
    torch.cuda.set_device = lambda *a, **k: None
    link = work / "bert-base-uncased"
    if not link.exists():
        link.symlink_to(job["bert"])
    import MMSA
    from MMSA import run as mmsa_run

    config = MMSA.get_config_regression(job["peer"], "mosi")
    config["featurePath"] = str(Path(job["data"], "MOSI", "Processed", "unaligned_50.pkl"))
    config["need_data_aligned"] = False
    if "pretrained" in config:
        config["pretrained"] = job["bert"]
    seconds = []
    real = mmsa_run.ATIO.getTrain

    def get_train(self, args):
        trainer = real(self, args)
        test, fit = trainer.do_test, trainer.do_train
        clock = [0.0]

        def do_test(model, loader, mode="VAL", **rest):
            result = test(model, loader, mode=mode, **rest)
            seconds.append(time.perf_counter() - clock[0])
            if len(seconds) >= job["epochs"]:
                raise Enough
            clock[0] = time.perf_counter()
            return result

        def do_train(model, loaders, **rest):
            clock[0] = time.perf_counter()
            try:
                return fit(model, loaders, **rest)
            finally:
                trainer.do_test = test

        trainer.do_test, trainer.do_train = do_test, do_train
        return trainer

    mmsa_run.ATIO.getTrain = get_train
    with contextlib.suppress(Enough):
        MMSA.MMSA_run(
            job["peer"], "mosi", config=config, seeds=[1111], num_workers=0, gpu_ids=[], verbose_level=0,
            model_save_dir="models", res_save_dir="results", log_dir="logs",
        )  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak}), file=out)


if __name__ == "__main__":
    main()
