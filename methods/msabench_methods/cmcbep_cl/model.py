"""CMCBEP-CL: the modality that leads supplements the others, and five predictions are mixed into one.

No paper was found; what is known is the code zbxshangqiu/CMCBEP-CL at c39f704, its README and its figures.
Its ancestor is Yan-LiJI/SIMSUF, and of that declare-lab/Multimodal-Infomax. D1, D3 to D11 and D14 are the
reference's own departures from its description, kept unless a switch says otherwise; the others are ours.

D1  The contrastive loss is worked out and never trained. `nce_weight`.
D2  In the reference one sample, the one with most words, decides for its whole batch which modality leads, at
    test time too: predictions depend on who else is in the batch. Here each sample decides for itself.
    `lead_rule = batch_first`.
D3  By the table of orders the lead has the highest score in two of six cases, the middle one in two, the
    lowest in two; the README speaks of the most representative modality. `lead_rule = argmax`.
D4  Dependence scores are rewarded without bound. `dep_weight`.
D5  Projections, filters and classifiers belong to roles, whose modality changes. `tie = modality`.
D6  The figures show a graph branch in the dependence estimators and feed the contrastive projections into the
    fusion; the code has neither.
D7  Of three fusion blocks that are given the same input only the last counts: here there is one. With it go
    all modules that are registered and never reach an output, 23,573,316 parameters.
D8  In a fusion block the second residual starts from the third vector, not from what came before.
D9  Attention is among slices of one vector, the Transformer's sequence is one token: time ends with the
    LSTMs' last states and the text encoder's first one.
D10 The difference loss, a mean over d x d entries, is about a thousandth of the others. `diff_weight`.
D11 Only the mixture and the fusion's score have a loss. `unimodal_weight`.
D12 The published epoch is chosen by test accuracy among validation records: here a reading of the record
    (`as-published`); training itself never looks at the test set.
D13 CH-SIMS has no code and its figures were withdrawn: runs on it are an extension.
D14 Weight decay holds for every parameter, norms, biases and text encoder included.
D15 Query and key of the one-token Transformer never matter: they stay as they were drawn; the reference's
    decay shrinks them.
D16 Sequences are the frames that the harness hands over: the first ones, not finite values 0, a length of 0
    taken for 1. The reference keeps the last ones and makes infinities the largest number.
D17 The longest text is the one with most tokens, not most words.
D18 One dropout probability holds for the Transformer too, whose 0.1 is fixed in the reference; options
    without effect are not offered.
D19 Training stops on the study's criterion; the reference on its validation loss.
D20 Weights are drawn once, copies of a layer are worked out side by side, and CPUs take the gradient of the
    LSTMs' weights from code of our own: equal up to rounding, or in distribution.

Notation: B batch, L length of a sequence, d width of the model, h hidden width, H heads, c = d/H, n copies of
a layer; x, y, z are roles, y leads.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msabench.method import Batch, InputForm, InputSizes, Method, Output, Progress
from msabench_methods.cmcbep_cl import lead, objectives
from msabench_methods.cmcbep_cl.layers import Linear, Refinement, SlotAttention, TokenTransformer
from msabench_methods.cmcbep_cl.lstm import SequenceEncoder
from msabench_methods.cmcbep_cl.parts import Dependence, Filter, GatedFusion, Head
from msabench_methods.cmcbep_cl.recipe import CMCBEPCLHyperparameters, Plateau

TASK_WEIGHT = 4 / 3


class CMCBEPCL(Method):
    """Lead-modality supplement, contrastive projections and balanced prediction."""

    hyperparameters = CMCBEPCLHyperparameters
    hp: CMCBEPCLHyperparameters
    dead_parameters = ("transformer.*.query_key.*",)  # D15

    @classmethod
    def inputs(cls, hp: CMCBEPCLHyperparameters) -> InputForm:
        """A fine-tuned text encoder over 50 tokens; audio and vision as whole sequences."""
        return InputForm(text="finetuned", token_length=50, text_tail=0)

    def __init__(self, *, sizes: InputSizes, hp: CMCBEPCLHyperparameters) -> None:
        super().__init__(sizes=sizes, hp=hp)
        d, heads, drop = hp.width, hp.heads, hp.dropout
        self.text = nn.Linear(sizes.text[1], d)
        self.vision = SequenceEncoder(sizes.vision[1], hp.vision_hidden, d)
        self.audio = SequenceEncoder(sizes.audio[1], hp.audio_hidden, d)
        self.dependence = Dependence(d, heads, hp.feed_forward, drop)
        self.transformer = nn.Sequential(
            *(TokenTransformer(d, heads, hp.lead_hidden, drop) for _ in range(hp.lead_depth))
        )
        self.supplement = SlotAttention(1, d, heads, drop)
        self.refinement = nn.Sequential(*(Refinement(1, d, heads, drop) for _ in range(hp.refinement_depth)))
        self.projection = Linear(3, d, d)
        self.fusion = GatedFusion(d, heads, hp.feed_forward, drop)
        self.fusion_head = Head(d, d, hp.head_dropout)
        self.filter = Filter(d, heads, hp.filter_depth, drop)
        self.classifier = Linear(3, d, 1)
        self.particular_fusion = GatedFusion(d, heads, hp.feed_forward, drop)
        self.final_head = Head(2 * d, d, hp.head_dropout)
        self.mixture = nn.Linear(5, 5)
        self.register_buffer("lead_table", lead.table(), persistent=False)
        self.lead_table: Tensor
        self.plateau = Plateau()
        for name, parameter in self.named_parameters():
            if "weight" in name and parameter.dim() == 2:  # `Linear` draws its own so
                nn.init.normal_(parameter, std=sqrt(2 / parameter.shape[1]))

    def forward(self, batch: Batch) -> Output:
        """Scores of shape (B,); `extras` holds the losses' inputs and the five scores that are mixed."""
        text = self.text(batch.text[:, 0])  # (B, d)
        vision = self.vision(batch.vision, batch.vision_lengths)  # (B, d)
        audio = self.audio(batch.audio, batch.audio_lengths)  # (B, d)
        modalities = torch.stack([vision, text, audio])  # (3, B, d)
        dependence = self.dependence(modalities, modalities.roll(-1, 0))  # (3, B): vt, ta, av
        roles = lead.assign(dependence, batch.text_mask.sum(1), self.lead_table, self.hp.lead_rule)  # (3, B)
        others, y = self._supplement(_pick(modalities, roles))  # (1, 2 B, d), (1, B, d)
        x, z = others.chunk(2, dim=1)  # (1, B, d) each
        fused, p_fus = self.fusion_head(self.fusion(y, x, z))  # (1, B, d), (1, B)

        # slots have weights of their own: a role each, or a modality each
        slots = torch.cat([x, y, z])  # (3, B, d)
        by_modality = self.hp.tie == "modality"
        if by_modality:
            slots = _pick(slots, roles.argsort(dim=0))
        projected = F.normalize(self.projection(slots), dim=-1)  # (3, B, d)
        particular, different = self.filter(slots, fused)  # (3, B, d) each
        own = self.classifier(particular)  # (3, B, 1)
        if by_modality:
            projected, particular, different, own = (
                _pick(u, roles) for u in (projected, particular, different, own)
            )

        x, y, z = particular.chunk(3)
        summary = self.particular_fusion(y, x, z)  # (1, B, d)
        _, p_sem = self.final_head(torch.cat([summary, fused], dim=-1))  # (1, B)
        scores = torch.cat([p_sem, p_fus, own[..., 0]]).t()  # (B, 5): p_sem, p_fus, p_x, p_y, p_z
        prediction = (self.mixture(scores).softmax(dim=1) * scores).sum(dim=1)  # (B,)
        extras = {
            "dependence": dependence,
            "roles": roles,
            "projected": projected,
            "different": different,
            "scores": scores,
        }
        return Output(prediction=prediction, extras=extras)

    def _supplement(self, roles: Tensor) -> tuple[Tensor, Tensor]:
        """(3, B, d) -> x and z beside each other with what the lead adds, and the lead refined."""
        x, y, z = roles.chunk(3)  # (1, B, d) each
        seen = self.transformer(y)
        others = torch.cat([x, z], dim=1)  # (1, 2 B, d)
        others = others + self.supplement(others, seen.repeat(1, 2, 1))
        return others, self.refinement(y + seen)

    def losses(self, output: Output, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """Smooth L1 of mixture and fusion, difference, dependence, discrepancy, and what switches add."""
        hp, extras, labels = self.hp, output.extras, batch.labels
        terms = {"task": TASK_WEIGHT * F.smooth_l1_loss(output.prediction, labels)}
        if hp.fusion_weight:
            terms["fusion"] = hp.fusion_weight * F.smooth_l1_loss(extras["scores"][:, 1], labels)
        if hp.diff_weight:
            terms["difference"] = hp.diff_weight * objectives.difference(extras["different"])
        if hp.dep_weight:
            terms["dependence"] = -hp.dep_weight * extras["dependence"].sum(0).mean()
        if hp.cmd_weight:
            terms["discrepancy"] = hp.cmd_weight * objectives.discrepancy(extras["projected"])
        if hp.nce_weight:
            terms["nce"] = hp.nce_weight * objectives.info_nce(extras["projected"], hp.temperature)
        if hp.unimodal_weight:
            own = extras["scores"][:, 2:]  # (B, 3)
            terms["unimodal"] = hp.unimodal_weight * F.smooth_l1_loss(own, labels[:, None].expand_as(own))
        return terms

    def validation_loss(self, output: Output, batch: Batch, progress: Progress) -> Tensor:
        """Smooth L1 of the mixture alone."""
        return F.smooth_l1_loss(output.prediction, batch.labels)

    @property
    def evaluation_batch(self) -> int:
        """As in training where a batch has one lead (D2)."""
        return self.hp.batch_size if self.hp.lead_rule == "batch_first" else super().evaluation_batch

    def parameter_groups(self, encoder: nn.Module | None) -> list[dict[str, Any]]:
        """The method's own parameters, and the text encoder's at a rate of their own."""
        (own,) = super().parameter_groups(None)
        if encoder is None:
            return [own]
        trained = [p for p in encoder.parameters() if p.requires_grad]
        hp = self.hp
        return [
            own,
            {"params": trained, "lr": hp.encoder_learning_rate, "weight_decay": hp.encoder_weight_decay},
        ]

    def optimizers(self, groups: list[dict[str, Any]]) -> list[torch.optim.Optimizer]:
        """Adamax with L2 decay."""
        return [torch.optim.Adamax(groups)]

    # -- rates are halved when the validation loss stands still ------------------------------------------

    def rate(self, progress: Progress) -> float:
        """Halved for good after more than `halve_after` epochs without a better validation loss."""
        return self.plateau.factor

    def on_epoch_end(self, progress: Progress, valid_loss: float) -> None:
        """Keep count of epochs without a better validation loss."""
        self.plateau = self.plateau.after(valid_loss, self.hp.halve_after)

    def get_extra_state(self) -> dict[str, float]:
        """What the rate depends on; numbers rather than buffers, which a GPU would have to be waited for."""
        return vars(self.plateau).copy()

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """The inverse of `get_extra_state`."""
        self.plateau = Plateau(**state)


def _pick(stack: Tensor, rows: Tensor) -> Tensor:
    """(3, B, w), (3, B) -> (3, B, w): for each sample its rows in another order."""
    return stack.gather(0, rows[..., None].expand_as(stack))
