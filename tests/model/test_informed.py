"""The informed initialisation: counts against slow code, vectors against meaning, weights against the words."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recipe.config import ModelConfig
from recipe.model import informed
from recipe.model.bert import bert_config, fresh_model
from recipe.model.informed import cooccurrence_vectors, cooccurrences, inform, sinusoids
from recipe.tokens.store import TokenStore


def store_of(sentences: list[list[int]]) -> TokenStore:
    tokens = np.array([token for sentence in sentences for token in sentence], np.uint16)
    offsets = np.cumsum([0, *map(len, sentences)])
    return TokenStore(Path("none"), tokens, offsets, np.array([0, len(sentences)]), {})


SENTENCES = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=8), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(sentences=SENTENCES, contexts=st.integers(1, 12), window=st.integers(1, 60))
def test_counts_are_those_of_slow_code(sentences, contexts, window):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(informed, "_CONTEXTS", contexts)
        patch.setattr(informed, "_WINDOW", window)
        found = cooccurrences(store_of(sentences), 10)
    frequencies = [sum(sentence.count(piece) for sentence in sentences) for piece in range(10)]
    most_frequent = sorted(range(10), key=lambda piece: -frequencies[piece])[:contexts]
    expected = np.zeros((10, len(most_frequent)), int)
    for sentence in sentences:
        for place, piece in enumerate(sentence):
            for other, neighbour in enumerate(sentence):
                if 1 <= abs(place - other) <= 4 and neighbour in most_frequent:
                    expected[piece, most_frequent.index(neighbour)] += 12 // abs(place - other)
    assert (found == expected).all()


def test_a_large_store_is_counted_in_evenly_spread_parts(monkeypatch):
    monkeypatch.setattr(informed, "_WINDOW", 10)
    monkeypatch.setattr(informed, "_COUNTED_TOKENS", 30)
    # Pieces 0 and 1 in the first windows, 2 and 3 in the middle, 4 and 5 in the last ones.
    whole = store_of([[2 * (3 * part // 500), 2 * (3 * part // 500) + 1] for part in range(500)])
    # Three windows of five sentences, each of which counts 12 for each of its two pieces.
    found = cooccurrences(whole, 8).sum(1)
    assert found.tolist() == [60, 60, 60, 60, 60, 60, 0, 0]


def test_vectors_are_those_of_positive_pointwise_mutual_information():
    """All singular vectors together give the matrix back: U S^0.5 (U S^0.5)^T is the root of M M^T."""
    draw = np.random.default_rng(3)
    store = store_of([draw.choice(8, 6, p=[0.4, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05]).tolist() for _ in range(200)])
    counts = cooccurrences(store, 8).astype(float)
    neighbours = counts.sum(0) ** 0.75
    information = np.log(np.maximum(counts / counts.sum(1, keepdims=True) / (neighbours / neighbours.sum()), 1))
    vectors = cooccurrence_vectors(store, 8, 8, seed=1).double().numpy()
    root = vectors @ vectors.T
    np.testing.assert_allclose(root @ root, information @ information.T, atol=1e-4)


def animals_and_tools() -> TokenStore:
    """Pieces 0 to 3 stand near 8 to 11, pieces 4 to 7 near 12 to 15; 16 never occurs."""
    draw = np.random.default_rng(0)
    sentences = []
    for _ in range(400):
        kind = int(draw.integers(2))
        sentences.append([int(draw.integers(4)) + 4 * kind, int(draw.integers(4)) + 8 + 4 * kind])
    return store_of(sentences)


def test_pieces_with_like_neighbours_have_like_vectors():
    vectors = cooccurrence_vectors(animals_and_tools(), 24, 8, seed=1)
    assert vectors.shape == (24, 8)
    assert not vectors[16:].any()
    unit = torch.nn.functional.normalize(vectors[:8], dim=1)
    alike = unit @ unit.T
    assert alike[:4, :4].min() > 0.5
    assert alike[4:, 4:].min() > 0.5
    assert alike[:4, 4:].max() < 0.1


def test_sinusoids_are_those_of_the_paper():
    found = sinusoids(50, 8)
    for place in (0, 1, 49):
        for index in range(4):
            angle = place / 10_000 ** (2 * index / 8)
            assert found[place, 2 * index] == pytest.approx(np.sin(angle), abs=1e-5)
            assert found[place, 2 * index + 1] == pytest.approx(np.cos(angle), abs=1e-5)


@pytest.mark.parametrize("width", [16, 64])
def test_what_is_known_is_put_in_and_the_rest_stays_random(width):
    """64 is wider than the vocabulary: there are fewer singular vectors than columns."""
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32, "max_position_embeddings": 16}
    config = bert_config(ModelConfig(hidden_size=width, **sizes), 24, 0)
    plain, model = fresh_model(config, 1), fresh_model(config, 1)
    inform(model.bert, animals_and_tools(), 1)
    again = fresh_model(config, 1)
    inform(again.bert, animals_and_tools(), 1)
    assert all(map(torch.equal, model.state_dict().values(), again.state_dict().values()))

    words, before = (each.bert.embeddings.word_embeddings.weight for each in (model, plain))
    assert torch.equal(words[16:], before[16:])
    assert torch.equal(words[:, 24:], before[:, 24:])
    assert words[:16, :24].std().item() == pytest.approx(0.05, rel=0.01)
    assert model.bert.embeddings.position_embeddings.weight.std().item() == pytest.approx(0.04, rel=0.01)
    # The decoder of the MLM head is tied to the word embeddings.
    assert model.cls.predictions.decoder.weight is words

    added = {"query": (4 / (width / 4) ** 0.5) ** 0.5, "key": (4 / (width / 4) ** 0.5) ** 0.5, "value": 0.4}
    for layer, other in zip(model.bert.encoder.layer, plain.bert.encoder.layer, strict=True):
        for name, size in added.items():
            change = getattr(layer.attention.self, name).weight - getattr(other.attention.self, name).weight
            torch.testing.assert_close(change, size * torch.eye(width), atol=1e-6, rtol=0)
        change = layer.attention.output.dense.weight - other.attention.output.dense.weight
        torch.testing.assert_close(change, 0.4 * torch.eye(width), atol=1e-6, rtol=0)
        for name in ("intermediate", "output"):
            assert torch.equal(getattr(layer, name).dense.weight, getattr(other, name).dense.weight)
