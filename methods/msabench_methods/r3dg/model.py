"""R3DG: text retrieves segments of audio and vision, of several granularities, and fusion reads their mean.

Zhuang, Zhang, Deng, Ren, "R3DG: Retrieve, Rank, and Reconstruction with Different Granularities for
Multimodal Sentiment Analysis", Research 8, 0729, 2025, https://doi.org/10.34133/research.0729; reference
code YetZzzzzz/R3DG at 0a659ac. The paper's text and tables were not accessible: what is said of it here is
from its abstract, its figure and the reference's README.

D1  The k vectors that were retrieved are averaged with weights drawn anew in every forward pass, at test time
    too. Here evaluation takes their expectation, 1/k; training draws. `weights`, `eval_weights`.
D2  The ranking has no gradient, and no loss makes the spaces of text and segments comparable. `retrieval`.
D3  A new optimiser begins each epoch. `restart_optimizer`.
D4  For unaligned data the README swaps the lengths of audio and vision, which cuts vision from 500 to 373
    frames and pads audio to 500. Here they are the data's. `sequence_lengths`.
D5  Nobody has unaligned data in the form that the reference reads: here it reads what other methods read.
D6  Padding is attended to and takes part in the maxima. `mask_padding`.
D7  A frame whose first projected channel is 0 has no position. See `msabench.nn.MulTEncoder`.
D8  Vectors of length 1 are to rebuild maxima that are not normalised, and these move with the loss.
    `detach_target`.
D9  Training is on absolute errors and validation on squared ones; batches of the validation split weigh
    alike in the reference. Here its loss is an exact mean over samples.
D10 Gains of all norms but the text encoder's are decayed, by a rule on names. `decay_norm_gains`.
D11 The steps of the learning rate lie beyond the last epoch: it is constant.
D12 A batch of one breaks the reference; here it is like any other.
D13 On CHERMA the reference scores every epoch on the test split and has no validation split; here training
    and selection use one.
D14 The optimiser is transformers' own AdamW of that time, fused into one pass: equal up to rounding.
D15 Binary tasks are ours: one logit, its cross-entropy.

Notation: B batch, T frames (L_t tokens), D feature width, d width, n local vectors, k of them retrieved,
C outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msabench.method import Batch, Hyperparameters, InputForm, InputSizes, Method, Output, Progress
from msabench.nn import MulTEncoder, init_as_bert, task_loss
from msabench_methods.r3dg.layers import PairFusion, Retrieval, SequenceNetwork, pool
from msabench_methods.r3dg.recipe import TransformersAdamW, split_by_decay

CHOICES = {
    "weights": ("random", "learned", "uniform", "similarity"),
    "eval_weights": ("uniform", "same"),
    "retrieval": ("top-k", "soft"),
    "text_network": ("cls", "sequence"),
    "sequence_lengths": ("data", "reference"),
    "initial_weights": ("bert", "torch"),
}
REFERENCE_LENGTHS = {"audio": 500, "vision": 375}
"""Of unaligned data in the README's commands (D4)"""


@dataclass(frozen=True, kw_only=True)
class R3DGHyperparameters(Hyperparameters):
    """Recipe of R3DG; published values are the README's commands, and the scripts' defaults."""

    width: int
    """Width of the model, d"""
    layers: int
    """Layers of the encoders of audio and vision, and of text where it has one"""
    heads: int
    """Heads of every attention; a divisor of the width"""
    audio_segments: list[int]
    """Granularities of audio: its frames are cut into so many segments, for each number anew"""
    vision_segments: list[int]
    """Granularities of vision"""
    audio_count: int
    """Local vectors of audio that are retrieved, k"""
    vision_count: int
    """Local vectors of vision that are retrieved, k"""
    alpha: float
    """Weight of both reconstruction terms"""
    dropout: float
    """Probability, in fusion and head"""
    attn_dropout: float
    """Probability, on the attention weights of the encoders"""
    relu_dropout: float
    """Probability, inside the encoders' feed-forward parts"""
    res_dropout: float
    """Probability, on what each half of an encoder layer adds"""
    embed_dropout: float
    """Probability, on the encoders' input"""
    token_length: int
    """Tokens per sample where text comes as words"""
    text_network: str
    """`cls`: a projection of the first token's state; `sequence`: a network as audio's, for precomputed
    features, with the maximum over all tokens (CHERMA)"""
    initial_weights: str
    """`bert`: Hugging Face's rule, which the reference falls under where it extends BERT's class; `torch`"""
    weights: str
    """Of the retrieved vectors: `random`, `learned` (one per rank), `uniform`, `similarity` (D1)"""
    eval_weights: str
    """In evaluation, where weights are random: `uniform`, their expectation, or `same` (D1)"""
    retrieval: str
    """`top-k`, or `soft`: all local vectors, weighted by similarity, with a gradient (D2)"""
    temperature: float
    """Divides similarities before a softmax over them; ours"""
    restart_optimizer: bool
    """Whether each epoch begins with a new optimiser (D3)"""
    border_rows: bool
    """Whether a row of zeros goes before and after audio and vision; word-level data, as long as its text,
    has them already. Not on CHERMA"""
    sequence_lengths: str
    """Of audio and vision that get such rows: `data`, or cut and filled up to the `reference`'s 500 and 375,
    rows included (D4)"""
    mask_padding: bool
    """Whether attention and maxima leave padding out (D6)"""
    detach_target: bool
    """Whether the maxima that are rebuilt are constants to the loss (D8)"""
    decay_norm_gains: bool
    """Whether gains of norms outside the text encoder are decayed (D10)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is one of {', '.join(choices)}, but got {getattr(self, name)!r}")
        for name in ("layers", "heads", "audio_count", "vision_count"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name} >= 1` must hold, but got {name}={getattr(self, name)}")
        if self.width % self.heads:
            raise ValueError(f"heads must divide the width, but got width={self.width}, heads={self.heads}")
        if not self.temperature > 0:
            raise ValueError(f"`temperature > 0` must hold, but got temperature={self.temperature}")
        for modality in ("audio", "vision"):
            segments, count = getattr(self, f"{modality}_segments"), getattr(self, f"{modality}_count")
            if not segments or any(type(number) is not int or number < 1 for number in segments):
                raise ValueError(
                    f"{modality}_segments is a list of whole numbers from 1 on, but got {segments!r}"
                )
            if count > sum(segments):
                raise ValueError(
                    f"`{modality}_count <= sum({modality}_segments)` must hold, "
                    f"but got {count} and {segments}"
                )


class R3DG(Method):
    """Retrieve, rank and reconstruct with different granularities."""

    hyperparameters = R3DGHyperparameters
    hp: R3DGHyperparameters
    tasks = ("regression", "binary", "multiclass")

    @classmethod
    def inputs(cls, hp: R3DGHyperparameters) -> InputForm:
        """A fine-tuned text encoder, or precomputed features; audio and vision as sequences."""
        if hp.text_network == "sequence":
            return InputForm(text="frozen", token_length=hp.token_length)
        return InputForm(text="finetuned", token_length=hp.token_length, text_tail=0)

    def __init__(self, *, sizes: InputSizes, hp: R3DGHyperparameters) -> None:
        super().__init__(sizes=sizes, hp=hp)
        d = hp.width
        text_width = sizes.text[1]
        self.text = self._network(text_width) if hp.text_network == "sequence" else nn.Linear(text_width, d)
        self.audio = self._network(sizes.audio[1])
        self.vision = self._network(sizes.vision[1])
        self.retrieve_audio = self._retrieval(hp.audio_count)
        self.retrieve_vision = self._retrieval(hp.vision_count)
        self.rebuild_audio = nn.Linear(d, d)
        self.rebuild_vision = nn.Linear(d, d)
        self.fusion_others = PairFusion(d, hp.heads)
        self.others = nn.Linear(2 * d, d)
        self.fusion = PairFusion(d, hp.heads)
        self.joint = nn.Linear(2 * d, d)
        self.head = nn.Linear(d, sizes.task.classes)
        self.dropout = nn.Dropout(hp.dropout)
        if hp.initial_weights == "bert":
            init_as_bert(self)

    def _network(self, width: int) -> SequenceNetwork:
        hp = self.hp
        encoder = MulTEncoder(
            hp.width,
            heads=hp.heads,
            layers=hp.layers,
            attn_dropout=hp.attn_dropout,
            relu_dropout=hp.relu_dropout,
            res_dropout=hp.res_dropout,
            embed_dropout=hp.embed_dropout,
        )
        return SequenceNetwork(width, encoder, hp.width)

    def _retrieval(self, count: int) -> Retrieval:
        hp = self.hp
        return Retrieval(
            count,
            weights=hp.weights,
            eval_weights=hp.eval_weights,
            temperature=hp.temperature,
            soft=hp.retrieval == "soft",
        )

    def forward(self, batch: Batch) -> Output:
        """Scores or logits, (B,) or (B, C); `extras` holds what the reconstruction terms need."""
        text = self._text(batch)  # (B, d)
        local_audio, audio = self._pooled("audio", batch.audio, batch.audio_lengths)  # (B, n, d), (B, d)
        local_vision, vision = self._pooled("vision", batch.vision, batch.vision_lengths)
        found_audio = self.retrieve_audio(text, local_audio)  # (B, d)
        found_vision = self.retrieve_vision(text, local_vision)
        # dropout stands before the ReLU, here and below
        others = self.dropout(self.others(self.fusion_others(found_audio, found_vision))).relu()  # (B, d)
        joint = self.fusion(text, others)  # (B, 2 d)
        scores = self.head(self.dropout(self.joint(joint)).relu())  # (B, C)
        extras = {
            "audio": audio,
            "vision": vision,
            "rebuilt_audio": self.rebuild_audio(found_audio),
            "rebuilt_vision": self.rebuild_vision(found_vision),
            "joint": joint,
        }
        prediction = scores if self.sizes.task.kind == "multiclass" else scores[:, 0]
        return Output(prediction=prediction, extras=extras)

    def _text(self, batch: Batch) -> Tensor:
        if self.hp.text_network == "cls":
            first: Tensor = self.text(batch.text[:, 0])  # (B, d)
            return first
        mask = batch.text_mask if self.hp.mask_padding else None
        return pool(self.text(batch.text, mask), (1,), mask)[1]  # (B, d)

    def _pooled(self, name: str, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Local vectors (B, n, d) and the global one (B, d) of audio or vision, from (B, T, D)."""
        hp, word_level = self.hp, x.shape[1] == self.sizes.text[0]
        if hp.border_rows and not word_level:
            kept = REFERENCE_LENGTHS[name] - 2 if hp.sequence_lengths == "reference" else x.shape[1]
            x = F.pad(x[:, :kept], (0, 0, 1, 1 + max(0, kept - x.shape[1])))
            lengths = lengths.clamp(max=kept) + 2
        mask = None
        if hp.mask_padding:
            mask = torch.arange(x.shape[1], device=x.device) < lengths.clamp(min=1)[:, None]  # (B, T)
        network, segments = (
            (self.audio, hp.audio_segments) if name == "audio" else (self.vision, hp.vision_segments)
        )
        return pool(network(x, mask), segments, mask)

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """Absolute error (cross-entropy for classes), and two weighted squared errors of reconstruction."""
        terms = {"task": task_loss(output.prediction, batch.labels, self.sizes.task)}
        for name in ("audio", "vision"):
            target = output.extras[name]
            if self.hp.detach_target:
                target = target.detach()
            terms[f"rebuilt_{name}"] = self.hp.alpha * F.mse_loss(output.extras[f"rebuilt_{name}"], target)
        return terms

    def validation_loss(self, output: Output, batch: Batch, progress: Progress) -> Tensor:
        """Squared error (cross-entropy for classes), without reconstruction (D9)."""
        return task_loss(output.prediction, batch.labels, self.sizes.task, regression="mse")

    def parameter_groups(self, encoder: nn.Module | None) -> list[dict[str, Any]]:
        """With and without weight decay, the text encoder's among them (D10)."""
        hp = self.hp
        decayed, spared = split_by_decay(self, encoder, decay_norm_gains=hp.decay_norm_gains)
        return [
            {"params": decayed, "lr": hp.learning_rate, "weight_decay": hp.weight_decay},
            {"params": spared, "lr": hp.learning_rate, "weight_decay": 0.0},
        ]

    def optimizers(self, groups: list[dict[str, Any]]) -> list[torch.optim.Optimizer]:
        """The AdamW of transformers 4.30 (D14)."""
        return [TransformersAdamW(groups)]

    def restarts_optimizers(self, progress: Progress) -> bool:
        """Every epoch, unless switched off (D3)."""
        return self.hp.restart_optimizer

    @property
    def evaluation_batch(self) -> int:
        """The reference's where weights are drawn in evaluation, for then predictions depend on it."""
        drawn = self.hp.weights == "random" and self.hp.eval_weights == "same"
        return 128 if drawn and self.hp.retrieval == "top-k" else super().evaluation_batch
