"""ALMT: language guides what is taken from audio and vision into a hyper-modality.

Zhang, Wang, Yin, Liu, Liu, Yu, "Learning Language-guided Adaptive Hyper-modality Representation for
Multimodal Sentiment Analysis", EMNLP 2023, https://aclanthology.org/2023.emnlp-main.49; reference code
Haoyu-ha/ALMT at da94610. D1 to D5 are the reference's own departures from its paper, kept unless a switch
says otherwise; D6 to D10 are ours.

D1  Fusion reads the class token alone, which never sees the language tokens beside it: language acts
    through attention weights only. `fusion_readout`.
D2  Audio and vision keep all their frames; the paper's figures belong to 50. `frame_window = 50`.
D3  Padding is attended to in text, audio and vision. `mask_padding`.
D4  The text encoder learns at the same high rate as everything else. `encoder_learning_rate`.
D5  The hyper state is normalised before each update, the update has an output projection, and the first
    language scale carries a second positional table; the paper's equations have neither.
D6  The bias of the key LayerNorms cancels in softmax: here it gets no gradient; the reference moves it by
    rounding errors, without effect on any output.
D7  Budgets below 1/`warm_up` epochs warm up batch by batch within the first epoch, which the reference
    would spend at rate 0.
D8  The published rule picks each metric's epoch on the test set; here that is a reading of the record
    (`as-published`), and training itself never looks at the test set.
D9  AdamW is fused; results are equal up to rounding.
D10 The paper's ablations are switches (`ahl`, `fusion`, `fusion_query`, `use_audio`, `use_vision`). Neither
    paper nor code says what takes the place of a part that is removed: that is ours.

Notation: B batch, T length of a modality, D its width, n tokens per modality, d width of the model,
h heads, c width of a head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msabench.method import Batch, Hyperparameters, InputForm, InputSizes, Method, Output, Progress
from msabench_methods.almt.layers import Embedding, Fusion, HyperLayer, WideBlock

READOUTS = ("cls", "mean_language", "cls_selfattn")
QUERIES = ("language", "hyper")


@dataclass(frozen=True, kw_only=True)
class ALMTHyperparameters(Hyperparameters):
    """Recipe of ALMT; published values are the configuration files of the reference."""

    tokens: int
    """Learned tokens per modality, n"""
    width: int
    """Width of the model, d"""
    embedding_depth: int
    """Blocks of each modality's embedding"""
    heads: int
    """Heads of embedding, language encoder and fusion"""
    head_width: int
    """Width of each of those heads; fixed in the reference's code"""
    feed_forward: int
    """Hidden width of the feed-forward parts"""
    ahl_depth: int
    """Layers of hyper-modality learning, and scales of language"""
    ahl_heads: int
    """Heads of hyper-modality learning"""
    ahl_head_width: int
    """Width of each of those heads"""
    ahl_dropout: float
    """Probability, on the update of the hyper state"""
    fusion_depth: int
    """Blocks of the fusion"""
    warm_up: float
    """Share of the epochs over which the rate rises from 0"""
    encoder_learning_rate: float
    """Base rate of the text encoder; 0 takes `learning_rate`, as the reference does (D4)"""
    frame_window: int
    """Frames of audio and vision that are kept; 0 keeps all (D2)"""
    fusion_readout: str
    """`cls`, `mean_language` or `cls_selfattn` (D1)"""
    mask_padding: bool
    """Whether embeddings look away from padding (D3)"""
    ahl: bool
    """Whether language guides what is taken from audio and vision; the paper's ablation, here with the sum of
    their tokens for the hyper state (D10)"""
    fusion: bool
    """Whether there is a fusion Transformer; the paper's ablation, in which the head here reads the mean over
    the tokens of language and hyper state (D10)"""
    fusion_query: str
    """`language` asks the hyper state, or `hyper` asks language (the paper's ablation) and then has the
    positions that `mean_language` reads"""
    use_audio: bool
    """Whether audio takes part; the paper's ablation"""
    use_vision: bool
    """Whether vision takes part; the paper's ablation"""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("tokens", "embedding_depth", "ahl_depth", "fusion_depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name} >= 1` must hold, but got {name}={getattr(self, name)}")
        if not 0 <= self.warm_up < 1:
            raise ValueError(f"`0 <= warm_up < 1` must hold, but got warm_up={self.warm_up}")
        if self.fusion_readout not in READOUTS:
            raise ValueError(
                f"fusion_readout is one of {', '.join(READOUTS)}, but got {self.fusion_readout!r}"
            )
        if self.fusion_query not in QUERIES:
            raise ValueError(f"fusion_query is one of {', '.join(QUERIES)}, but got {self.fusion_query!r}")
        if self.fusion and self.fusion_readout == "cls":
            self._refuse_what_the_class_token_misses()

    def _refuse_what_the_class_token_misses(self) -> None:
        """The class token never sees the positions that ask beside it (D1)."""
        others = self.use_audio or self.use_vision
        deaf = ""
        if self.fusion_query == "hyper" and others:
            deaf = "fusion_query is hyper: audio and vision have"
        elif self.fusion_query == "language" and not (self.ahl and others):
            switch = "ahl is" if others else "use_audio and use_vision are"
            deaf = f"{switch} false: language has"
        if deaf:
            raise ValueError(
                f"fusion_readout is cls and {deaf} no way to the prediction; "
                "take fusion_readout=mean_language, fusion_readout=cls_selfattn or fusion=false as well"
            )


class ALMT(Method):
    """Adaptive language-guided multimodal transformer."""

    hyperparameters = ALMTHyperparameters
    hp: ALMTHyperparameters
    dead_parameters = ("*.norm_key.bias",)  # D6

    @classmethod
    def inputs(cls, hp: ALMTHyperparameters) -> InputForm:
        """A fine-tuned text encoder; audio and vision as sequences, cut to the window if there is one."""
        return InputForm(text="finetuned", frame_window=hp.frame_window)

    def __init__(self, *, sizes: InputSizes, hp: ALMTHyperparameters) -> None:
        super().__init__(sizes=sizes, hp=hp)
        n, d = hp.tokens, hp.width

        def block() -> WideBlock:
            return WideBlock(d, heads=hp.heads, head_width=hp.head_width, hidden=hp.feed_forward)

        used = {"text": sizes.text}
        if hp.use_audio:
            used["audio"] = sizes.audio
        if hp.use_vision:
            used["vision"] = sizes.vision
        others = [name for name in used if name != "text"]
        self.guided = hp.ahl and bool(others)
        if self.guided or not others:
            self.hyper = nn.Parameter(torch.ones(1, n, d))
        self.embeddings = nn.ModuleDict(
            {  # the paper's model has positions for a whole window even where text is shorter
                name: Embedding((max(length, hp.frame_window), features), n, d, hp.embedding_depth, block)
                for name, (length, features) in used.items()
            }
        )
        self.scale_positions = nn.Parameter(torch.randn(1, n, d))
        self.scales = nn.ModuleList(block() for _ in range(hp.ahl_depth - 1))
        self.hyper_layers = nn.ModuleList(
            HyperLayer(d, others, heads=hp.ahl_heads, head_width=hp.ahl_head_width, dropout=hp.ahl_dropout)
            for _ in range(hp.ahl_depth if self.guided else 0)
        )
        if hp.fusion:
            self.fusion = Fusion(n, d, hp.fusion_depth, block, hp.fusion_readout)
        self.head = nn.Linear(d, 1)

    def forward(self, batch: Batch) -> Output:
        """Scores of shape (B,), unbounded; `extras` holds the stages that the golden check names."""
        masks = self._masks(batch) if self.hp.mask_padding else {}
        tokens = {  # (B, n, d) each
            name: layer(getattr(batch, name), masks.get(name)) for name, layer in self.embeddings.items()
        }
        scale = tokens.pop("text") + self.scale_positions  # (B, n, d)
        hyper = self.hyper if self.guided or not tokens else sum(tokens.values(), torch.zeros_like(scale))
        for i in range(self.hp.ahl_depth):
            if i:
                scale = self.scales[i - 1](scale, scale)
            if self.guided:
                hyper = self.hyper_layers[i](scale, tokens, hyper)  # (B, n, d)
        hyper = hyper.expand_as(scale)
        joint = self._join(scale, hyper)  # (B, d)
        extras = {"scale": scale, "hyper": hyper, "joint": joint}
        return Output(prediction=self.head(joint)[:, 0], extras=extras)  # (B,)

    def _join(self, language: Tensor, hyper: Tensor) -> Tensor:
        """(B, n, d), (B, n, d) -> (B, d)"""
        if not self.hp.fusion:
            return torch.cat([language, hyper], dim=1).mean(dim=1)
        source, target = (hyper, language) if self.hp.fusion_query == "language" else (language, hyper)
        joint: Tensor = self.fusion(source, target)
        return joint

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """Mean squared error."""
        return {"mse": F.mse_loss(output.prediction, batch.labels)}

    def parameter_groups(self, encoder: nn.Module | None) -> list[dict[str, Any]]:
        """One group, unless the text encoder has a rate of its own."""
        hp = self.hp
        if encoder is None or not hp.encoder_learning_rate:
            return super().parameter_groups(encoder)
        (own,) = super().parameter_groups(None)
        trained = [p for p in encoder.parameters() if p.requires_grad]
        return [own, {"params": trained, "lr": hp.encoder_learning_rate, "weight_decay": hp.weight_decay}]

    def optimizers(self, groups: list[dict[str, Any]]) -> list[torch.optim.Optimizer]:
        """AdamW, fused into one pass over the weights."""
        return [torch.optim.AdamW(groups, fused=True)]

    def rate(self, progress: Progress) -> float:
        """Linear warm-up from 0 over w epochs, then half a cosine over the rest; constant within an epoch.

        With epoch e of E and w = `warm_up` E: (e - 1)/w while e - 1 <= w, then
        (1 + cos(pi (e - f)/(E - w)))/2, where f is the first such epoch. Where w is less than an epoch, the
        first one rises batch by batch instead.
        """
        w = self.hp.warm_up * progress.epochs
        done = progress.epoch - 1
        if done == 0 and w < 1:
            return min(1.0, (progress.batch + 1) / (w * progress.batches)) if w else 1.0
        if done <= w:
            return done / w
        first = math.floor(w) + 2
        return (1 + math.cos(math.pi * (progress.epoch - first) / (progress.epochs - w))) / 2

    def _masks(self, batch: Batch) -> dict[str, Tensor]:
        def frames(x: Tensor, lengths: Tensor) -> Tensor:
            return torch.arange(x.shape[1], device=x.device) < lengths[:, None]  # (B, T)

        return {
            "text": batch.text_mask,
            "audio": frames(batch.audio, batch.audio_lengths),
            "vision": frames(batch.vision, batch.vision_lengths),
        }
