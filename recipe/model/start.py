"""A checkpoint of any BERT -> the model that training goes on with, whatever its heads and its vocabulary."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import nn

from recipe.errors import InputError
from recipe.model.bert import BertForPreTraining
from recipe.rng import torch_seed

MLM_HEAD = "the MLM head"
# The parts that a checkpoint may lack, each with the module that tells: BertForMaskedLM has no pooler, BertModel no
# heads.
_PARTS = {
    MLM_HEAD: "cls.predictions.transform.dense",
    "the NSP head": "cls.seq_relationship",
    "the pooler": "bert.pooler.dense",
}
_CONTINUATION = "##"
# Of 1, 0.5, 0.35, 0.25 and 0.1 the best one for two texts.
_SIZE_OF_IDENTITY = 0.5


@dataclass(frozen=True)
class Start:
    """A model, and what of it the checkpoint did not give.

    fresh: names of the parts that it lacks.
    kept, composed, drawn: pieces of the tokenizer whose embedding is the old one, the mean of old ones, or random.
    """

    model: BertForPreTraining
    fresh: tuple[str, ...]
    kept: int
    composed: int
    drawn: int

    def line(self) -> str:
        """What stands in the log."""
        config = self.model.config
        parts = [f"{config.num_hidden_layers} layers, {config.hidden_size} wide"]
        if self.fresh:
            starts = [f"{part} {'as the identity' if part == MLM_HEAD else 'at random'}" for part in self.fresh]
            parts.append(f"the checkpoint lacks heads, which start anew: {', '.join(starts)}")
        total = self.kept + self.composed + self.drawn
        parts.append(f"{self.kept:,} of {total:,} pieces keep their embedding")
        if total > self.kept:
            parts.append(
                f"{self.composed:,} start as the mean of the old pieces of their text, {self.drawn:,} at random"
            )
        return "; ".join(parts)


def start_from(folder: Path, tokenizer: Tokenizer, old: Tokenizer, vocab_size: int | None, seed: int) -> Start:
    """Read a checkpoint and give it the vocabulary of `tokenizer`.

    Args:
        old: the checkpoint's own tokenizer.
        vocab_size: rows of the embedding table; None: the checkpoint's if the vocabulary is the same, else the
            tokenizer's size, rounded up to a multiple of 8.

    Raises:
        InputError: if the folder contains no BERT that can be read, or lacks more than heads and pooler.
    """
    # What the checkpoint lacks is drawn while it is read.
    torch.manual_seed(torch_seed(seed, "initial weights"))
    model, missing = _read(folder)
    fresh = tuple(part for part, name in _PARTS.items() if f"{name}.weight" in missing)
    # A part that is there must be complete.
    known = tuple("{}.{}.".format(*_PARTS[part].split(".")) for part in fresh)
    if lost := [weight for weight in missing if not weight.startswith(known)]:
        raise InputError(
            f"{folder}: lacks the weight {lost[0]} (and {len(lost) - 1} more); name a complete checkpoint"
        )
    pieces, old_ids = tokenizer.get_vocab(), old.get_vocab()
    if max(old_ids.values()) >= model.config.vocab_size:
        raise InputError(
            f"{folder}: its tokenizer has {max(old_ids.values()) + 1:,} entries, but the model only"
            f" {model.config.vocab_size:,} embeddings; the two are not of one model"
        )
    if MLM_HEAD in fresh:
        # With a random head, what the encoder knows would be noise. Its last states resemble the embeddings of the
        # tokens around, so the identity is a better guess; at full size it is too sure of itself. Losses of
        # all-MiniLM-L6-v2 in docs/decisions.md: random head 7.54, identity 7.11, at half the size 6.82, a random
        # model 7.05.
        transform = model.cls.predictions.transform
        nn.init.eye_(transform.dense.weight)
        nn.init.zeros_(transform.dense.bias)
        nn.init.constant_(transform.LayerNorm.weight, _SIZE_OF_IDENTITY)
    sources = sources_of(pieces, old)
    if pieces != old_ids or vocab_size not in (None, model.config.vocab_size):
        _exchange(model, sources, vocab_size or -(-len(sources) // 8) * 8, pieces["[PAD]"], seed)
    kept = len(pieces.keys() & old_ids.keys())
    drawn = sum(not sources[index] for index in pieces.values())
    return Start(model, fresh, kept, len(pieces) - kept - drawn, drawn)


def _read(folder: Path) -> tuple[BertForPreTraining, list[str]]:
    try:
        # transformers reads pickles as weights only.
        model, loading = BertForPreTraining.from_pretrained(  # type: ignore[misc]
            folder, dtype=torch.float32, output_loading_info=True, local_files_only=True
        )
    except pickle.UnpicklingError:
        raise InputError(f"{folder}: contains code instead of weights, which was not run; take another one") from None
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        why = " ".join(str(error).split())[:150]
        raise InputError(f"{folder}: contains no checkpoint that loads ({why})") from None
    return model, sorted(loading["missing_keys"])  # type: ignore[has-type]


def sources_of(pieces: dict[str, int], old: Tokenizer) -> list[list[int]]:
    """For each id of a vocabulary the old ids whose mean embedding it starts with; none where there is nothing old.

    A piece that the old vocabulary has keeps its embedding. Another one starts as the mean of the pieces that the old
    tokenizer makes of it: "Fast Vocabulary Transfer" (Gee and others, EMNLP 2022 Industry Track, section 3).
    """
    ids, found = old.get_vocab(), [list[int]() for _ in range(max(pieces.values()) + 1)]
    for piece, index in pieces.items():
        if piece in ids:
            found[index] = [ids[piece]]
            continue
        is_begin = not piece.startswith(_CONTINUATION)
        text = piece if is_begin else piece[len(_CONTINUATION) :]
        # As the old tokenizer would see it, such as without capitals.
        text = old.normalizer.normalize_str(text) if old.normalizer else text
        found[index] = _cut("" if is_begin else _CONTINUATION, text, ids)
    return found


def _cut(prefix: str, text: str, ids: dict[str, int]) -> list[int]:
    """WordPiece, longest match first, of a text that begins a word (prefix "") or goes on in it; unknown: none."""
    cut: list[int] = []
    while text:
        end = next((end for end in range(len(text), 0, -1) if prefix + text[:end] in ids), 0)
        if end == 0:
            return []
        cut.append(ids[prefix + text[:end]])
        prefix, text = _CONTINUATION, text[end:]
    return cut


def _exchange(
    model: BertForPreTraining, sources: Sequence[Sequence[int]], vocab_size: int, pad: int, seed: int
) -> None:
    """Give word embeddings, decoder and its bias the rows of another vocabulary."""
    generator = torch.Generator().manual_seed(torch_seed(seed, "embeddings of new pieces"))
    words, head = model.bert.embeddings.word_embeddings, model.cls.predictions

    def exchanged(table: torch.Tensor) -> nn.Parameter:
        return nn.Parameter(_rows(table.detach(), sources, vocab_size, generator))

    is_tied = head.decoder.weight is words.weight
    words.weight, words.num_embeddings, words.padding_idx = exchanged(words.weight), vocab_size, pad
    head.decoder.weight = words.weight if is_tied else exchanged(head.decoder.weight)
    head.decoder.out_features = vocab_size
    head.bias = head.decoder.bias = nn.Parameter(exchanged(head.decoder.bias[:, None]).detach()[:, 0].clone())
    model.config.vocab_size, model.config.pad_token_id = vocab_size, pad


def _rows(
    table: torch.Tensor, sources: Sequence[Sequence[int]], number: int, generator: torch.Generator
) -> torch.Tensor:
    """The mean of each entry's old rows; without any, and beyond the entries, a normal draw like the old rows."""
    # Column by column: the mean and the deviation of old rows keep the scale that the layers expect.
    drawn = torch.randn(number, table.shape[1], generator=generator) * table.std(0) + table.mean(0)
    for index, ids in enumerate(sources):
        if ids:
            drawn[index] = table[list(ids)].mean(0)
    return drawn
