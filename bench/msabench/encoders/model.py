"""The text encoder as a torch module."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from msabench.encoders import sparing
from msabench.encoders.ref import TINY, TINY_CONFIG, TINY_SEED, EncoderRef
from msabench.errors import SpecError


class TextEncoder(nn.Module):
    """Token ids to the last hidden states of a pretrained transformer.

    A pooler, where the model has one, is kept, so that parameter counts are those of the literature
    (109,482,240 for bert-base-uncased); nothing reads its output, so it never gets a gradient.

    Parameters
    ----------
    model
        A transformers model whose output has `last_hidden_state`.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = sparing.with_cheap_dropout(model)
        # where a token stands is said by number: in other families the number depends on padding
        self._positions = getattr(model.config, "model_type", "") == "bert"
        takes = inspect.signature(model.forward).parameters
        segments = getattr(model.config, "type_vocab_size", 0)
        self._segments = "token_type_ids" in takes and isinstance(segments, int) and segments > 1

    @classmethod
    def load(cls, ref: EncoderRef) -> TextEncoder:
        """As `load`."""
        return load(ref)

    def forward(self, tokens: Tensor, tail: int | None = None) -> Tensor:
        """Last hidden states.

        Parameters
        ----------
        tokens
            (B, 3, L) int: ids, mask, segment ids.
        tail
            As `InputForm.text_tail`: which states of padding will be read.

        Returns
        -------
        (B, L, d) float. Padding is never attended to, but its own rows hold what the encoder computes
        there (not zeros), because several reference methods go on with them; with a tail, rows of padding
        before it are zeros, or what the encoder computes.
        """
        tokens = tokens.long()
        if tail is None or not self._positions:
            return self._states(tokens, None)
        return sparing.in_chunks(self._states, tokens, tail)

    def _states(self, tokens: Tensor, positions: Tensor | None) -> Tensor:
        ids, mask, segments = tokens.unbind(1)  # (B, L) each
        extra = {"token_type_ids": segments} if self._segments else {}
        if positions is not None:
            extra["position_ids"] = positions
        hidden = self.model(input_ids=ids, attention_mask=mask, **extra).last_hidden_state  # (B, L, d)
        return cast(Tensor, hidden)


def load(ref: EncoderRef) -> TextEncoder:
    """Build an encoder with its weights, in float32, on the CPU, in evaluation mode.

    Always the same weights, and the global random state stays as it is: what the model draws before
    its weights are read must not shift the stream that initialises a method.

    Raises
    ------
    SpecError
        If `ref` is `features`, or the files do not make a model: unsafe pickles, code of their own,
        weights that are missing or do not fit the config.
    """
    if ref.path is None and ref != TINY:
        raise SpecError(
            "the dataset's own text features have no encoder that could be trained",
            fix="choose another --text-encoder: bert, minilm, a folder",
        )
    with torch.random.fork_rng(devices=[]):
        # not torch.manual_seed, which would seed accelerators too
        torch.default_generator.manual_seed(TINY_SEED)
        model = _tiny() if ref.path is None else _pretrained(ref.name, ref.path)
    return TextEncoder(model.float()).eval()


def _tiny() -> nn.Module:
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig(**TINY_CONFIG))


def _pretrained(name: str, folder: Path) -> nn.Module:
    from transformers import AutoModel

    try:
        with _quiet():
            # attention: left to transformers (sdpa). Eager is as fast on a CPU (within 5 % for MiniLM and
            # BERT-base layers at 16 x 50 tokens), and equal to 6e-6
            model, report = AutoModel.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, output_loading_info=True
            )
    except Exception as error:  # whatever a stranger's files make transformers raise
        raise SpecError(
            f"text encoder '{name}' cannot be loaded: {_first_line(error)}",
            where=str(folder),
            fix="download the model again; it takes config.json and model.safetensors, and no code",
        ) from error
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise SpecError(
            f"text encoder '{name}' lacks weights that its config asks for: {', '.join(missing[:3])}"
            + (f" and {len(missing) - 3} more" if len(missing) > 3 else ""),
            where=str(folder),
            fix="config.json and weights must be of one model; download it again",
        )
    return cast(nn.Module, model)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and reports of transformers: they would break the harness's own."""
    from transformers.utils import logging as log

    logging: Any = log
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
