import numpy as np
import pytest

from recipe import token_store
from recipe.config import TokenizerConfig
from recipe.corpus import Document
from recipe.errors import InputError
from recipe.token_store import open_token_store, token_counts, write_token_store
from recipe.tokenizer import encode_sentences, train_wordpiece

DOCUMENTS = [Document([f"word{number} alpha beta", "\u200b", "gamma"], "a") for number in range(40)] + [Document(["\u200b"], "b"), Document(["delta"], "c")]


@pytest.fixture(scope="module")
def tokenizer():
    return train_wordpiece(DOCUMENTS, TokenizerConfig(vocab_size=100))


@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_store_holds_every_token_in_order_whatever_the_block(tmp_path, tokenizer, monkeypatch, block):
    monkeypatch.setattr(token_store, "SENTENCES_PER_BLOCK", block)
    store = write_token_store(tmp_path / "store", DOCUMENTS, tokenizer)
    assert store.tokens.dtype == np.uint16
    ids, lengths = encode_sentences(tokenizer, [sentence for document in DOCUMENTS for sentence in document.sentences])
    assert (store.tokens == ids).all()
    assert (np.diff(store.sentence_offsets) == lengths[lengths > 0]).all()
    assert np.diff(store.document_offsets).tolist() == [2] * 40 + [1]
    assert store.counts == {"documents": 41, "sentences": 81, "tokens": len(ids), "empty_sentences": 41, "empty_documents": 1}
    assert token_counts(store, 100).sum() == len(ids)


def test_an_interrupted_store_leaves_nothing(tmp_path, tokenizer):
    def broken():
        yield DOCUMENTS[0]
        raise RuntimeError("the disk went away")

    with pytest.raises(RuntimeError):
        write_token_store(tmp_path / "store", broken(), tokenizer)
    assert list(tmp_path.iterdir()) == []


def test_a_cut_store_is_refused(tmp_path, tokenizer):
    write_token_store(tmp_path / "store", DOCUMENTS, tokenizer)
    path = tmp_path / "store" / "tokens.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match=r"tokens.bin: \d+ bytes instead of"):
        open_token_store(tmp_path / "store")
    with pytest.raises(InputError, match="build_pairs"):
        open_token_store(tmp_path / "absent")
