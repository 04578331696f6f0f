"""The bytes of a token store change only together with its VERSION."""

import hashlib
import random

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from recipe.corpus import Document
from recipe.tokenizer.folder import SPECIAL_TOKENS
from recipe.tokens import store

# VERSION of recipe/tokens/store.py -> hash of the files of a store, by words and line by line.
GOLDEN = {
    2: (
        "c3a9cca0d54c3954172ef3218cde18feb06894d64eff58f4718d735799a29197",
        "6031796ecbfa08e7f18e13a542794d880910cdd8f2927987ba84110405f6b53f",
    )
}


@pytest.mark.parametrize("by_words", [True, False])
def test_the_store_changes_with_the_version_only(tmp_path, monkeypatch, by_words):
    monkeypatch.setattr(store, "CHARACTERS_PER_BLOCK", 500)
    draw = random.Random(3)
    letters = "abcdefgh.,αé漢"
    pieces = [*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters), "ab", "##cd", "##gh"]
    tokenizer = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    # Another pre-tokenizer rules the way by words out.
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer() if by_words else pre_tokenizers.Whitespace()
    texts = [["".join(draw.choices(letters + "  AZ", k=draw.randint(1, 80))) for _ in range(7)] for _ in range(40)]
    documents = [Document([*sentences, "\u200b", "[MASK] ab"], "a") for sentences in texts] + [
        Document(["\u200b"], "b")
    ]
    made = store.write_token_store(tmp_path / "store", documents, tokenizer)
    content = b"".join(path.read_bytes() for path in sorted(made.folder.iterdir()))
    assert hashlib.sha256(content).hexdigest() == GOLDEN[store.VERSION][not by_words], (
        "a token store has other bytes: raise VERSION of recipe/tokens/store.py and write the new hash here"
    )
