"""MLCL: contrast within modalities, between pairs of them, and between a pair and the third.

Zhuang, Bai, Zhang, Deng, Hu, Zhang, Ren, "Multi-Level Contrastive Learning for Multimodal Sentiment
Analysis", IEEE Transactions on Multimedia 27, 2025, https://doi.org/10.1109/TMM.2025.3613116; reference code
YetZzzzzz/MLCL at 7cc0f25, folders MCLC_MSA (scores) and MLCL_MHD (humour, sarcasm). D1 to D5 are oddities of
that code, kept unless a switch says otherwise; the rest are ours.

D1  Each modality's vector is the encoder's last position, which is padding in all but the longest samples.
    `text_pool`.
D2  Cross-modal attention runs over a single token, so queries, keys and the latent's LayerNorm do nothing;
    they are kept as parameters, and not computed. `cross_tokens`.
D3  For scores, video to text runs through the audio-video network; its own is never used. `tie_vt_to_av`.
D4  For humour and sarcasm the bi-modal weight is 0.9, beside a remark that says 0.09. `gamma`.
D5  Gradients are not clipped: the reference has no clipping for scores, and clips an empty list for humour.
    `clip_value`.
D6  Settings are those of commit 811ca71's commands, not the later code defaults.
D7  Audio and vision of humour and sarcasm follow the words; in the reference every token has the last row of
    its segment. `reference_alignment`. Lengths are the dataset's, 64 and 77 tokens, not 50.
D8  An ordinary training step outside the forward pass; the reference steps within, with the same result.
D9  The validation loss is an exact mean; the reference averages batch means, the short last batch included.
    A last batch of one sample joins the one before it; in the reference it is a step without contrast.
D10 A binary task has one logit, the difference of the head's two outputs, with the same cross-entropy.
D11 The published rule for humour and sarcasm prints the last epoch, and maxima over test epochs, and weights
    F1 by predicted classes; here those are readings of the record.
D12 Adam is fused; the last frame alone leaves the audio and vision encoders, so no other is worked out in
    their last layer. Results are equal up to rounding.

Notation: B batch, T length of a modality, D its width, d width of the model, h heads, c width of a head,
n and m latent and context tokens. t, a, v are the modalities' vectors; c_xy takes y into x.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from msabench.errors import SpecError
from msabench.method import Batch, Hyperparameters, InputForm, InputSizes, Method, Output, Progress
from msabench.nn import MulTEncoder, init_as_bert, task_loss
from msabench_methods.mlcl.contrast import info_nce
from msabench_methods.mlcl.layers import Branch, CrossTransformer, FrameEncoder, TextConvolution, last_rows

POOLS = ("last", "cls", "mean")
MODALITIES = ("text", "audio", "vision")
FORWARD = (("text", "audio"), ("text", "vision"), ("audio", "vision"))
"""Pairs whose c_xy are fused, as (x, y)"""


@dataclass(frozen=True, kw_only=True)
class MLCLHyperparameters(Hyperparameters):
    """Recipe of MLCL; published values are the commands and defaults of the reference."""

    width: int
    """Width of the model, d; `d_l` in the reference"""
    layers: int
    """Layers of the audio and vision encoders"""
    heads: int
    """Heads everywhere, h; divides `width`"""
    cross_depth: int
    """Blocks of each cross-modal network; `ct_depths`"""
    cross_head_width: int
    """Width of each of their heads, c; fixed in the reference's code"""
    alpha: float
    """Weight of the uni-modal contrast, a mean over its three terms"""
    beta: float
    """Weight of the tri-modal contrast"""
    gamma: float
    """Weight of the bi-modal contrast (D4)"""
    temperature: float
    """Of the contrast; fixed in the reference's code, its flag does nothing"""
    branch_dropout: float
    """Probability, in the projections whose pairs are contrasted; `rdrop`"""
    attention_dropout: float
    """Probability, on attention weights, in the cross-modal networks and in the head"""
    relu_dropout: float
    """Probability, on hidden values of the audio and vision encoders"""
    residual_dropout: float
    """Probability, on what each half of their layers adds"""
    input_dropout: float
    """Probability, on their input"""
    fusion_dropout: float
    """Probability, in the fusing encoder; fixed in the reference's code"""
    token_length: int
    """Tokens per sample of word-level data without context; 0 takes the dataset's. `max_seq_length`"""
    text_pool: str
    """Which of the convolution's positions is the text: `last`, `cls`, or the tokens' `mean` (D1)"""
    cross_tokens: bool
    """Whether cross-modal networks get whole sequences instead of single vectors (D2)"""
    tie_vt_to_av: bool
    """Whether video to text runs through the audio-video network (D3)"""
    reference_alignment: bool
    """Whether all words of a context or punchline have its last word's audio and vision (D7)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("layers", "heads", "cross_depth", "cross_head_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name} >= 1` must hold, but got {name}={getattr(self, name)}")
        if self.width < 1 or self.width % self.heads:
            raise ValueError(f"heads must divide width, but got width={self.width}, heads={self.heads}")
        if not self.temperature > 0:
            raise ValueError(f"`temperature > 0` must hold, but got temperature={self.temperature}")
        for name in ("branch", "attention", "relu", "residual", "input", "fusion"):
            if not 0 <= getattr(self, f"{name}_dropout") < 1:
                raise ValueError(
                    f"`0 <= {name}_dropout < 1` must hold, but got {name}_dropout="
                    f"{getattr(self, f'{name}_dropout')}"
                )
        if self.text_pool not in POOLS:
            raise ValueError(f"text_pool is one of {', '.join(POOLS)}, but got {self.text_pool!r}")


class MLCL(Method):
    """Multi-level contrastive learning."""

    hyperparameters = MLCLHyperparameters
    hp: MLCLHyperparameters
    tasks = ("regression", "binary", "multiclass")
    dead_parameters = (
        "automatic_weights",  # built and never used by the reference
        "cross.vision_text.*",  # D3
        "*.to_query.*",  # D2
        "*.to_key.*",
        "*.norm_latent.*",
    )

    @classmethod
    def inputs(cls, hp: MLCLHyperparameters) -> InputForm:
        """A fine-tuned text encoder; audio and vision as sequences."""
        # the convolution at the last position reaches the one before it
        tail = 2 if hp.text_pool == "last" and not hp.cross_tokens else None
        return InputForm(text="finetuned", token_length=hp.token_length, text_tail=tail)

    def __init__(self, *, sizes: InputSizes, hp: MLCLHyperparameters) -> None:
        super().__init__(sizes=sizes, hp=hp)
        d = hp.width
        self.text = TextConvolution(sizes.text[1], d, pool=hp.text_pool)
        self.audio, self.vision = self._frames(sizes.audio[1]), self._frames(sizes.vision[1])
        self.branch_1, self.branch_2 = (
            nn.ModuleDict({name: Branch(d, dropout=hp.branch_dropout) for name in MODALITIES})
            for _ in range(2)
        )
        self.cross = nn.ModuleDict(
            {
                f"{x}_{y}": CrossTransformer(
                    d,
                    depth=hp.cross_depth,
                    heads=hp.heads,
                    head_width=hp.cross_head_width,
                    dropout=hp.attention_dropout,
                )
                for pair in FORWARD
                for x, y in (pair, pair[::-1])
            }
        )
        layer = nn.TransformerEncoderLayer(d, hp.heads, 2048, hp.fusion_dropout, batch_first=True)
        self.fusion = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Sequential(
            nn.Linear(6 * d, 3 * d),
            nn.Dropout(hp.attention_dropout),
            nn.ReLU(),
            nn.Linear(3 * d, 2 if sizes.task.kind == "binary" else sizes.task.classes),
        )
        self.automatic_weights = nn.Parameter(torch.ones(10))
        init_as_bert(self)

    def forward(self, batch: Batch) -> Output:
        """Scores or binary logits (B,), or logits (B, C).

        `extras`: `fused` (B, 6 d), and in training `queries` and `keys` (9, B, d), the nine contrasted
        pairings: three uni-modal, three tri-modal, three bi-modal.
        """
        if self.hp.reference_alignment:
            batch = self._as_the_reference_aligns(batch)
        sequences = self._sequences(batch) if self.hp.cross_tokens else {}
        vectors = {  # (B, d) each
            "text": self.text(batch.text, batch.text_mask),
            "audio": sequences["audio"][:, -1] if sequences else self.audio(batch.audio),
            "vision": sequences["vision"][:, -1] if sequences else self.vision(batch.vision),
        }
        one = {name: self.branch_1[name](x) for name, x in vectors.items()}
        if sequences:
            tokens = {name: self.branch_1[name](x) for name, x in sequences.items()}  # (B, T, d) each
        else:
            tokens = {name: x[:, None] for name, x in one.items()}  # (B, 1, d) each
        crossed = [self.cross[f"{x}_{y}"](tokens[x], tokens[y]) for x, y in FORWARD]
        stack = torch.stack([*one.values(), *crossed], dim=1)  # (B, 6, d)
        fused = self.fusion(stack).flatten(1)  # (B, 6 d)
        extras = {"fused": fused}
        if self.training:
            two = [self.branch_2[name](x) for name, x in vectors.items()]
            backward = [self._network(y, x)(tokens[y], tokens[x]) for x, y in FORWARD]
            t, a, v = one.values()
            extras["queries"] = torch.stack([t, a, v, v, a, t, *crossed])
            extras["keys"] = torch.stack([*two, *crossed, *backward])
        return Output(prediction=self._prediction(self.head(fused)), extras=extras)

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """The task's loss, and in training the three levels of contrast with their weights.

        Scores: absolute error; classes: cross-entropy.
        """
        hp = self.hp
        terms = {"task": task_loss(output.prediction, batch.labels, self.sizes.task)}
        if "queries" in output.extras:
            contrast = info_nce(output.extras["queries"], output.extras["keys"], hp.temperature)  # (9,)
            uni, tri, bi = contrast.view(3, 3).mean(dim=1)
            terms |= {"uni": hp.alpha * uni, "tri": hp.beta * tri, "bi": hp.gamma * bi}
        return terms

    def validation_loss(self, output: Output, batch: Batch, progress: Progress) -> Tensor:
        """Squared error or cross-entropy, without contrast."""
        return task_loss(output.prediction, batch.labels, self.sizes.task, regression="mse")

    def _frames(self, features: int) -> FrameEncoder:
        hp = self.hp
        encoder = MulTEncoder(
            hp.width,
            heads=hp.heads,
            layers=hp.layers,
            attn_dropout=hp.attention_dropout,
            relu_dropout=hp.relu_dropout,
            res_dropout=hp.residual_dropout,
            embed_dropout=hp.input_dropout,
        )
        return FrameEncoder(features, hp.width, encoder)

    def _sequences(self, batch: Batch) -> dict[str, Tensor]:
        """(B, T, d) each"""
        return {
            "text": self.text.sequence(batch.text),
            "audio": self.audio.sequence(batch.audio),
            "vision": self.vision.sequence(batch.vision),
        }

    def _as_the_reference_aligns(self, batch: Batch) -> Batch:
        if batch.tokens is None:
            raise SpecError(
                "mlcl[reference_alignment=true] must know which tokens are context, and with a frozen text "
                "encoder there are no tokens",
                fix="fine-tune the text encoder, or leave the switch off",
            )
        if not batch.tokens.shape[2] == batch.audio.shape[1] == batch.vision.shape[1]:
            return batch  # frames of their own, so not word by word
        return replace(
            batch,
            audio=last_rows(batch.audio, batch.tokens),
            vision=last_rows(batch.vision, batch.tokens),
        )

    def _network(self, x: str, y: str) -> nn.Module:
        tied = self.hp.tie_vt_to_av and (x, y) == ("vision", "text")
        return self.cross["audio_vision" if tied else f"{x}_{y}"]

    def _prediction(self, raw: Tensor) -> Tensor:
        kind = self.sizes.task.kind
        if kind == "multiclass":
            return raw  # (B, C)
        return raw[:, 1] - raw[:, 0] if kind == "binary" else raw[:, 0]  # (B,)
