"""An initialisation that knows what can be counted: which pieces occur together, and that neighbours matter most."""

import math

import numpy as np
import torch
from torch import nn
from transformers import BertModel

from recipe.rng import torch_seed
from recipe.tokens.store import TokenStore

# Tokens on each side that count as neighbours, and what one at each distance counts: 12 / distance, so that sums are
# whole numbers, which do not depend on the order of adding.
_WEIGHTS = (12, 6, 4, 3)
# Neighbours that are told apart: the most frequent pieces. It bounds the table at vocab_size x 4,096 numbers.
_CONTEXTS = 4096
_WINDOW = 1 << 22
# More text changes the counts little: about ten seconds of counting.
_COUNTED_TOKENS = 1 << 26
# Frequencies of neighbours to this power, so that rare ones do not dominate (Levy, Goldberg and Dagan 2015, section
# 3.2).
_SMOOTHING = 0.75
# Standard deviations of word and position embeddings. At BERT's 0.02 the loss falls more slowly (6.36 after 125
# steps); 0.08 and 0.06 gain little over 0.04 and 0.03 (6.14, 6.20).
_OF_WORDS, _OF_PLACES = 0.05, 0.04
# Logit of attention from a token to itself, of which about half is its place. Twice as large ones gained nothing.
_SELF_ATTENTION = 4.0
_VALUE = 0.4


def inform(model: BertModel, store: TokenStore, seed: int) -> None:
    """Put what the corpus tells into a model with a random initialisation.

    - Word embeddings: the singular vectors of the positive pointwise mutual information of pieces and their neighbours
      (Levy, Goldberg and Dagan, TACL 2015). Pieces that never occur stay random.
    - Position embeddings: sinusoids (Vaswani and others 2017, section 3.5).
    - Attention: an identity is added to the random matrices of query and key, value and output, so that tokens attend
      to like ones at near places from the start (Trockman and Kolter, Mimetic Initialization, arXiv 2305.09828).
    """
    embeddings, config = model.embeddings, model.config
    vectors = cooccurrence_vectors(store, config.vocab_size, config.hidden_size, seed)
    places = sinusoids(config.max_position_embeddings, config.hidden_size)
    query_key = math.sqrt(_SELF_ATTENTION / math.sqrt(config.hidden_size / config.num_attention_heads))
    with torch.no_grad():
        is_known = vectors.any(1)
        words = embeddings.word_embeddings.weight
        words[is_known, : vectors.shape[1]] = vectors[is_known] * (_OF_WORDS / vectors[is_known].std())
        embeddings.position_embeddings.weight.copy_(places * (_OF_PLACES / places.std()))
        for layer in model.encoder.layer:
            for part, size in (
                (layer.attention.self.query, query_key),
                (layer.attention.self.key, query_key),
                (layer.attention.self.value, _VALUE),
                (layer.attention.output.dense, _VALUE),
            ):
                _add_identity(part, size)


def _add_identity(part: nn.Linear, size: float) -> None:
    part.weight += size * torch.eye(len(part.weight))


def sinusoids(positions: int, width: int) -> torch.Tensor:
    """Sines and cosines of each place at frequencies from 1 to 1/10,000: shape (positions, width)."""
    frequencies = torch.exp(-math.log(10_000) * torch.arange(0, width, 2) / width)
    angles = torch.arange(positions)[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width]


def cooccurrence_vectors(store: TokenStore, vocab_size: int, width: int, seed: int) -> torch.Tensor:
    """A vector for each piece, such that pieces with like neighbours have like vectors.

    Returns:
        float32 of shape (vocab_size, at most width); zeros for pieces without neighbours in the text.
    """
    counts = torch.from_numpy(cooccurrences(store, vocab_size)).float()
    rows, columns = counts.sum(1, keepdim=True), counts.sum(0, keepdim=True) ** _SMOOTHING
    # In place, since the table is large: log of p(piece, neighbour) / (p(piece) p(neighbour)), where it is positive.
    counts /= rows.clamp(min=1)
    counts /= (columns / columns.sum()).clamp(min=1e-30)
    information = counts.clamp_(min=1).log_()
    torch.manual_seed(torch_seed(seed, "co-occurrence vectors"))
    left, values, _ = torch.svd_lowrank(information, q=min(width, *information.shape), niter=3)
    return left * values.sqrt()


def cooccurrences(store: TokenStore, vocab_size: int) -> np.ndarray:
    """How often each piece has each of the most frequent ones near it in a sentence: int32, (vocab_size, contexts).

    A neighbour at distance 1, 2, 3 or 4 counts 12, 6, 4 or 3. Of a large store evenly spread parts are counted.
    """
    frequencies = np.bincount(store.tokens[:_COUNTED_TOKENS], minlength=vocab_size)
    contexts = min(_CONTEXTS, vocab_size)
    column_of = np.full(vocab_size, contexts)
    column_of[np.argsort(-frequencies, kind="stable")[:contexts]] = np.arange(contexts)
    # One column more, for all other neighbours.
    table = torch.zeros(vocab_size * (contexts + 1), dtype=torch.int32)
    starts = np.arange(0, len(store.tokens), _WINDOW)
    kept = np.unique(np.linspace(0, len(starts) - 1, min(len(starts), _COUNTED_TOKENS // _WINDOW)).astype(int))
    for start in starts[kept]:
        # Some tokens of the next window, so that no pair is lost at the border.
        tokens = store.tokens[start : start + _WINDOW + len(_WEIGHTS)].astype(np.int64)
        places = np.arange(start, start + len(tokens))
        sentences = np.searchsorted(store.sentence_offsets, places, side="right")
        for distance, weight in enumerate(_WEIGHTS, start=1):
            end = max(min(_WINDOW, len(tokens) - distance), 0)
            is_near = sentences[distance : distance + end] == sentences[:end]
            first, second = tokens[:end][is_near], tokens[distance : distance + end][is_near]
            for piece, neighbour in ((first, second), (second, first)):
                index = torch.from_numpy(piece * (contexts + 1) + column_of[neighbour])
                table.index_add_(0, index, torch.full((len(index),), weight, dtype=torch.int32))
    return table.view(vocab_size, contexts + 1)[:, :contexts].numpy()
