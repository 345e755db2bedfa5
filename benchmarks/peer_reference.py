"""Time epochs of a method's public reference code on given tensors; runs in the references' environment.

Needs nothing of ours: the model classes come from a checkout of the reference, and its training script's own
steps (loader, loss, optimiser, one pass over validation and test) are repeated here around them. Left out, in
the reference's favour: metrics, plots, logs, embeddings copied to the CPU, tokenising, anomaly detection.
Run-time shims: BERT is random and of the depth asked for, packages that are only imported are stand-ins.
"""

import argparse
import json
import resource
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

Step = Callable[[list[torch.Tensor]], None]


def main() -> None:
    """One method, `epochs` epochs; prints {"seconds": [...], "peak_mib": x}."""
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    out, sys.stdout = sys.stdout, sys.stderr
    splits = {name: read(Path(job["tensors"]) / f"{name}.npz") for name in ("train", "valid", "test")}
    train, evaluate, batch_size, collate = REFERENCES[job["method"]](job, splits["train"])
    loaders = {
        name: DataLoader(
            TensorDataset(*split.values()), batch_size, shuffle=name == "train", collate_fn=collate
        )
        for name, split in splits.items()
    }
    seconds = []
    for epoch in range(1, job["epochs"] + 1):
        started = time.perf_counter()
        step = train(epoch)
        for batch in loaders["train"]:
            step(batch)
        for name in ("valid", "test"):
            for batch in loaders[name]:
                evaluate(batch)
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak}), file=out)


def read(path: Path) -> dict[str, torch.Tensor]:
    """tokens (N, 3, L), audio (N, L, d), vision, audio_lengths (N,), vision_lengths, labels."""
    with np.load(path) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def r3dg(job: dict[str, Any], train: dict[str, torch.Tensor]) -> tuple[Any, ...]:
    """YetZzzzzz/R3DG, word-aligned MOSI, its README's settings."""
    sys.path.insert(0, job["source"])
    from R3DG import R3DG
    from transformers import BertConfig
    from transformers.optimization import AdamW

    settings = argparse.Namespace(
        d_l=128, dropout_prob=0.3, num_heads=16, layers=3, alpha=0.1, attn_dropout=0.5, relu_dropout=0.3,
        res_dropout=0.3, embed_dropout=0.2, grans_a=[5, 10, 15, 20], grans_v=[5, 10, 15, 20], local_as=8,
        local_vs=5, TEXT_DIM=768, ACOUSTIC_DIM=train["audio"].shape[2], VISUAL_DIM=train["vision"].shape[2],
    )  # fmt: skip
    model = R3DG(BertConfig(num_hidden_layers=job["layers"], num_labels=1), args=settings)

    def epoch(number: int) -> Step:
        model.train()
        bare = ("bias", "LayerNorm.weight")
        decayed = [p for name, p in model.named_parameters() if not any(part in name for part in bare)]
        plain = [p for name, p in model.named_parameters() if any(part in name for part in bare)]
        groups = [{"params": decayed, "weight_decay": 1e-4}, {"params": plain, "weight_decay": 0.0}]
        optimizer = AdamW(groups, lr=5e-5, eps=1e-8, no_deprecation_warning=True)

        def step(batch: list[torch.Tensor]) -> None:
            tokens, audio, vision, _, _, labels = batch
            extra, scores, _ = model(
                tokens[:, 0], vision, audio, labels, token_type_ids=tokens[:, 2], attention_mask=tokens[:, 1]
            )
            loss = nn.functional.l1_loss(scores.view(-1), labels) + extra
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

        return step

    return epoch, evaluation(model, model.test), 128, None


def mlcl(job: dict[str, Any], train: dict[str, torch.Tensor]) -> tuple[Any, ...]:
    """YetZzzzzz/MLCL, folder MCLC_MSA, MOSI at commit 811ca71's settings; it steps in its forward pass."""
    sys.path.insert(0, str(Path(job["source"], "MCLC_MSA")))
    import MLCL_model
    from transformers import BertConfig

    MLCL_model.ACOUSTIC_DIM, MLCL_model.VISUAL_DIM = train["audio"].shape[2], train["vision"].shape[2]
    settings = argparse.Namespace(
        d_l=48, layers=4, learning_rate=4e-5, alpha=0.01, beta=0.08, gamma=0.11, rdrop=0.1, ct_depths=4,
        attn_dropout=0.5, num_heads=16, relu_dropout=0.3, res_dropout=0.3, embed_dropout=0.2, clip=1.0,
    )  # fmt: skip
    config = BertConfig(num_hidden_layers=job["layers"], num_labels=1)
    model = MLCL_model.MLCL(config, argparse.Namespace(dropout_prob=0.2533), args=settings)

    def step(batch: list[torch.Tensor]) -> None:
        tokens, audio, vision, _, _, labels = batch
        scores, _ = model(
            tokens[:, 0], vision, audio, labels, token_type_ids=tokens[:, 2], attention_mask=tokens[:, 1]
        )
        nn.functional.mse_loss(scores.view(-1), labels).item()

    def epoch(number: int) -> Step:
        model.train()
        return step

    return epoch, evaluation(model, model.test), 240, None


def evaluation(model: nn.Module, test: Callable[..., Any]) -> Step:
    """Predictions of a batch, for the two references that have a second forward pass called `test`."""

    @torch.no_grad()
    def evaluate(batch: list[torch.Tensor]) -> None:
        tokens, audio, vision, *_ = batch
        model.eval()
        test(tokens[:, 0], vision, audio, token_type_ids=tokens[:, 2], attention_mask=tokens[:, 1])

    return evaluate


def almt(job: dict[str, Any], train: dict[str, torch.Tensor]) -> tuple[Any, ...]:
    """Haoyu-ha/ALMT, configs/mosi.yaml."""
    sys.path.insert(0, job["source"])
    random_bert(job["layers"])
    import yaml
    from models.almt import ALMT

    settings = yaml.safe_load(Path(job["source"], "configs", "mosi.yaml").read_text())["model"]
    settings["a_input_length"], settings["v_input_length"] = train["audio"].shape[1], train["vision"].shape[1]
    model = ALMT(argparse.Namespace(model=argparse.Namespace(**settings)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-4)

    def step(batch: list[torch.Tensor]) -> None:
        tokens, audio, vision, _, _, labels = batch
        loss = nn.functional.mse_loss(model(vision, audio, tokens), labels[:, None])
        loss.item()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def epoch(number: int) -> Step:
        model.train()
        return step

    @torch.no_grad()
    def evaluate(batch: list[torch.Tensor]) -> None:
        model.eval()
        model(batch[2], batch[1], batch[0])

    return epoch, evaluate, 64, None


def cmcbep_cl(job: dict[str, Any], train: dict[str, torch.Tensor]) -> tuple[Any, ...]:
    """zbxshangqiu/CMCBEP-CL, default arguments, MOSI."""
    random_bert(job["layers"])
    for name in ("torch_geometric", "torch_geometric.nn", "tensorboardX", "torchvision"):
        sys.modules[name] = StandIn(name)
    sys.path.insert(0, str(Path(job["source"], "src")))
    sys.argv = sys.argv[:1]
    from config import get_args
    from model import MMIM
    from transformer import CMD, DiffLoss

    hp = get_args()
    hp.d_vin, hp.d_ain = train["vision"].shape[2], train["audio"].shape[2]
    hp.d_tin, hp.n_class = 64, 1
    model = MMIM(hp)
    named = dict(model.named_parameters())
    for name, p in named.items():
        if "bert" not in name and p.dim() > 1:
            nn.init.kaiming_normal_(p, mode="fan_in")
    groups = [
        {"params": [p for name, p in named.items() if "bert" in name], "weight_decay": 3e-4, "lr": 5e-5},
        {"params": [p for name, p in named.items() if "bert" not in name], "weight_decay": 3e-4, "lr": 1e-3},
    ]
    optimizer = torch.optim.Adamax(groups)
    distance, difference, huber = CMD(), DiffLoss(), nn.SmoothL1Loss()

    def forward(batch: list[torch.Tensor]) -> Any:
        tokens, audio, vision, audio_lengths, vision_lengths, labels = batch
        a = audio[:, : int(audio_lengths.max())].transpose(0, 1)
        v = vision[:, : int(vision_lengths.max())].transpose(0, 1)
        return model(
            None, v, a, vision_lengths, audio_lengths, tokens[:, 0], tokens[:, 2], tokens[:, 1], labels
        )

    def step(batch: list[torch.Tensor]) -> None:
        labels = batch[5][:, None]
        model.zero_grad()
        made = forward(batch)
        fused, scores = made[9], made[0]
        x, y, z = made[13:16]
        loss = 4 / 3 * huber(scores, labels) + 2 / 3 * huber(fused, labels)
        loss = loss + (difference(x, y) + difference(z, x) + difference(y, z)) / 6
        loss = loss - (made[1] + made[2] + made[3]) / 3
        loss = loss + (distance(made[5], made[6], 1) + distance(made[7], made[6], 1)) / 2
        loss = loss.mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()

    def epoch(number: int) -> Step:
        model.train()
        return step

    @torch.no_grad()
    def evaluate(batch: list[torch.Tensor]) -> None:
        model.eval()
        forward(batch)

    return epoch, evaluate, 120, longest_first


def longest_first(samples: list[tuple[torch.Tensor, ...]]) -> list[torch.Tensor]:
    """A batch sorted by the number of tokens, as the reference's loader sorts by words."""
    ordered = sorted(samples, key=lambda sample: -int(sample[0][1].sum()))
    return [torch.stack(column) for column in zip(*ordered, strict=True)]


class StandIn(types.ModuleType):
    """A package that is imported and never used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def random_bert(layers: int) -> None:
    """`from_pretrained` gives a random BERT of so many layers."""
    import transformers

    config = transformers.BertConfig(num_hidden_layers=layers)
    transformers.BertConfig.from_pretrained = classmethod(lambda cls, *a, **k: config)
    transformers.BertModel.from_pretrained = classmethod(lambda cls, *a, **k: cls(config))
    transformers.BertTokenizer.from_pretrained = classmethod(lambda cls, *a, **k: None)


REFERENCES = {"r3dg": r3dg, "mlcl": mlcl, "almt": almt, "cmcbep_cl": cmcbep_cl}

if __name__ == "__main__":
    main()
