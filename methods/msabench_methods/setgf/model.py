"""SETGF: self-supervised text-guided fusion. A RECONSTRUCTION: no model code is public.

"Bridging Modal Gaps in Multimodal Sentiment Analysis: A Self-Supervised Text-Guided Fusion Approach"
(authors, venue and figures not found; under review by its README). XiaoZzzhong/SETGF at 214254d has
configuration, loader and metrics, all of them thuiar/Self-MM's (1786283), and empty files where the model
should be. Marks below: [README] what its README of ce25026 states; [config] what its configuration states;
[ours] what we had to decide.

D1  The model [README: text-oriented multi-head attention, text-guided cross-modal mappings, unimodal
    representation learning of temporal dependency and global attributes, four tasks trained jointly;
    ours: every layer of it], built like TETFN, its nearest relative with code (thuiar/MMSA at a94e65d).
D2  Width, heads, depth, dropouts, positions and pairs of the fusion [ours]. `toma`, `tgcm`.
D3  Global attributes by additive attention, one-way LSTMs, representations beside the fused sequences, four
    tasks weighing alike, no consistency loss [ours]. `urlm_global`, `unimodal_tasks`, `fuse_representations`.
D4  Unimodal losses are zero for two epochs, and Adam's decay shrinks their heads meanwhile, on MOSEI to
    nothing. No decay on them in these epochs [ours]. `protect_heads = false` is Self-MM's scheme.
D5  Gradients are clipped to norm 1 [ours]: attention at a rate of 1e-3 is new here. `clip_norm = 0` does not.
D6  Zero labels belong to the positive centre [config]. `exclude_zero` leaves them out, as MMSA does.
D7  The ratio of the label update may explode with either sign; the clamp alone bounds it, as in Self-MM.
D8  Batches left over at an epoch's end, fewer than `accumulate`, are dropped, as in Self-MM; but an epoch
    of fewer makes one step, where Self-MM would never train. `step_on_remainder`.
D9  A centre without a row stays where it was; Self-MM's becomes NaN.
D10 Unimodal annotations of SIMS are not used, which is the point of the method [README].
    `unimodal_labels = "human"` trains on them instead of generated ones: an upper bound.
D11 The reference's settings stop after 8 epochs without a better validation L1; here `epochs` caps it, and
    the harness stops on its own exact criterion, the same for every method.
D12 Tables are filled as rows are seen in epoch 1, not before it; equal from the first use on.
D13 Padding is skipped, keys go without their bias, which cancels in softmax, and Adam is fused: equal up to
    rounding. On a CPU the probabilities of the fusion's dropouts are rounded to multiples of 2^-16.

Notation: B batch, L length, D width of a modality; T longest valid length and M valid steps in a batch; d
width of the fusion, nh heads, c = d/nh; h width of an LSTM; f width of a task's feature.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from msabench.errors import SpecError
from msabench.method import Batch, InputForm, InputSizes, Method, Output, Progress, Step
from msabench_methods.setgf.fusion import TextGuidedFusion
from msabench_methods.setgf.labels import LabelTables
from msabench_methods.setgf.layers import Head, Representation
from msabench_methods.setgf.recipe import SETGFHyperparameters, groups
from msabench_methods.setgf.rows import Layout

UNIMODAL = ("text", "audio", "vision")
SILENT_EPOCHS = 2
"""Generated labels are y_m in epoch 1, and in epoch 2 change only after their loss"""


class SETGF(Method):
    """Self-supervised text-guided fusion, reconstructed.

    Defined for regression alone: generated labels are a label moved by a difference of distances to the
    centres of positive and negative rows, which classes do not have.
    """

    hyperparameters = SETGFHyperparameters
    hp: SETGFHyperparameters
    tasks = ("regression",)

    @classmethod
    def inputs(cls, hp: SETGFHyperparameters) -> InputForm:
        """A fine-tuned text encoder, audio and vision as sequences."""
        return InputForm(text="finetuned", text_tail=0)

    def __init__(self, *, sizes: InputSizes, hp: SETGFHyperparameters) -> None:
        super().__init__(sizes=sizes, hp=hp)
        needed = hp.fuse_representations or hp.unimodal_tasks
        hidden = {"audio": hp.audio_hidden, "vision": hp.vision_hidden}
        out = {"text": sizes.text[1], "audio": hp.audio_out, "vision": hp.vision_out}
        self.representations = nn.ModuleDict(
            {
                name: Representation(width, hidden[name], out[name] * needed, attributes=hp.urlm_global)
                for name, width in (("audio", sizes.audio[1]), ("vision", sizes.vision[1]))
            }
        )
        longest = max(sizes.text[0], sizes.audio[0], sizes.vision[0])
        self.fusion = TextGuidedFusion({"text": sizes.text[1], **hidden}, longest, hp)
        joint = self.fusion.out + hp.fuse_representations * sum(out.values())
        self.heads = nn.ModuleDict({"fusion": self._head("fusion", joint)})
        if hp.unimodal_tasks:
            self.heads.update({name: self._head(name, out[name]) for name in UNIMODAL})
        self.tables = None
        if hp.unimodal_tasks and hp.unimodal_labels == "generated":
            low, high = sizes.task.label_range
            self.tables = LabelTables(
                sizes.train_samples,
                [getattr(hp, f"post_{name}_width") for name in self.heads],
                bound=hp.label_bound or max(abs(low), abs(high)),
                exclude_zero=hp.exclude_zero,
            )

    def _head(self, name: str, width: int) -> Head:
        hidden, dropout = (getattr(self.hp, f"post_{name}_{what}") for what in ("width", "dropout"))
        return Head(width, hidden, dropout)

    def forward(self, batch: Batch) -> Output:
        """Scores of shape (B,), unbounded.

        `extras` holds the scores (B,) of T, A, V as `text`, `audio`, `vision`, and the features (B, f) that
        label generation reads as `feature_fusion`, `feature_text` and so on.
        """
        layouts = {
            "text": Layout.of(batch.text_mask.sum(1), batch.text.shape[1]),
            "audio": Layout.of(batch.audio_lengths, batch.audio.shape[1]),
            "vision": Layout.of(batch.vision_lengths, batch.vision.shape[1]),
        }
        rows, represented = {}, {"text": batch.text[:, 0]}  # (M, D), (B, out)
        if self.fusion.reads_text:
            rows["text"] = layouts["text"].take(batch.text)
        for name, layer in self.representations.items():
            layout = layouts[name]
            rows[name], represented[name] = layer(layout.take(getattr(batch, name)), layout)
        fused = self.fusion(rows, layouts)  # (B, 2d or 6d)
        if self.hp.fuse_representations:
            fused = torch.cat([fused, *represented.values()], dim=1)
        inputs = {"fusion": fused, **represented}
        scores, extras = {}, {}
        for name, head in self.heads.items():
            scores[name], extras[f"feature_{name}"] = head(inputs[name])
        return Output(prediction=scores.pop("fusion"), extras=scores | extras)

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """L1 of M; L1 of T, A, V against labels of their own, weighed by tanh of their distance to y_m."""
        y = batch.labels
        terms = {"fusion": (output.prediction - y).abs().mean()}
        if self.hp.unimodal_tasks:
            for name, own in zip(UNIMODAL, self._unimodal(batch), strict=True):
                weight = (own - y).abs().tanh()
                terms[name] = (weight * (output.extras[name] - own).abs()).mean()
        return terms

    def validation_loss(self, output: Output, batch: Batch, progress: Progress) -> Tensor:
        """L1 of M alone."""
        return (output.prediction - batch.labels).abs().mean()

    def _unimodal(self, batch: Batch) -> tuple[Tensor, ...]:
        """(B,) labels of text, audio, vision."""
        if self.tables is not None:
            return self.tables.of(batch.index, batch.labels)[1:].unbind()
        if missing := [name for name in UNIMODAL if name not in batch.unimodal_labels]:
            raise SpecError(
                f"unimodal_labels = human needs labels of {', '.join(missing)}, which this dataset has not",
                fix="use it on sims, or leave unimodal_labels at 'generated'",
            )
        return tuple(batch.unimodal_labels[name] for name in UNIMODAL)

    def parameter_groups(self, encoder: nn.Module | None) -> list[dict[str, Any]]:
        """Encoder weights, its biases and norms, audio, vision, all else; protected heads by themselves."""
        parts: dict[str, Iterable[nn.Parameter]] = {
            name: layer.parameters() for name, layer in self.representations.items()
        }
        if self.hp.protect_heads and self.tables is not None:
            parts["heads"] = [p for name in UNIMODAL for p in self.heads[name].parameters()]
        return groups(self.hp, encoder, parts, self.parameters())

    def step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Self-MM's order: loss and gradient, new labels, features and centres, then perhaps a step."""
        progress = step.progress
        every = min(self.hp.accumulate, progress.batches)  # D8
        if progress.batch % every == 0:
            for optimizer in step.optimizers:
                optimizer.zero_grad(set_to_none=True)
        output = step.forward(batch)
        terms = self.losses(output, batch, progress)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        if self.tables is not None:
            features = [output.extras[f"feature_{name}"] for name in self.heads]
            self.tables.observe(batch.index, batch.labels, features, progress.epoch)
        done = progress.batch + 1
        if done % every == 0 or (self.hp.step_on_remainder and done == progress.batches):
            self.clip(step.parameters)
            for optimizer in step.optimizers:
                self.protect(optimizer, progress)
                optimizer.step()
        return terms

    def protect(self, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """No decay on heads T, A, V while nothing but decay would move them (D4)."""
        for group in optimizer.param_groups:
            if group["name"] == "heads":
                group["weight_decay"] = self.hp.weight_decay * (progress.epoch > SILENT_EPOCHS)
