"""Run a whole study with an unchanged, installed MMSA on the CPU; runs inside MMSA's own environment.

Needs nothing of ours. Run-time shims: those of `peer_mmsa`, and every training ends after the given number of
epochs: MMSA has no cap on epochs, so its patience is set to nothing in the last one. Training then ends as
MMSA's own does: the best epoch's weights are loaded, the test split is predicted, the results are written.
"""

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Every method with every seed; prints {"trainings": n, "epochs": total}."""
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

    spent = []
    real = mmsa_run.ATIO.getTrain

    def get_train(self, args):
        trainer = real(self, args)
        test, epochs = trainer.do_test, [0]
        trainer.args.early_stop = job["epochs"] + 1  # one dictionary serves all seeds

        def do_test(model, loader, mode="VAL", **rest):
            result = test(model, loader, mode=mode, **rest)
            if mode == "VAL":
                epochs[0] += 1
                if epochs[0] >= job["epochs"]:
                    trainer.args.early_stop = 0
                    spent.append(epochs[0])
            return result

        trainer.do_test = do_test
        return trainer

    mmsa_run.ATIO.getTrain = get_train
    for method in job["methods"]:
        config = MMSA.get_config_regression(method, "mosi")
        config["featurePath"] = str(Path(job["data"], "MOSI", "Processed", "unaligned_50.pkl"))
        config["need_data_aligned"] = False
        if "pretrained" in config:
            config["pretrained"] = job["bert"]
        MMSA.MMSA_run(
            method, "mosi", config=config, seeds=job["seeds"], num_workers=job["loaders"], gpu_ids=[],
            verbose_level=0, model_save_dir="models", res_save_dir="results", log_dir="logs",
        )  # fmt: skip
    print(json.dumps({"trainings": len(spent), "epochs": sum(spent)}), file=out)


if __name__ == "__main__":
    main()
