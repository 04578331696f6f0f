import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, SHARED
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from recipe.config import TokenizerConfig
from recipe.corpus import Document
from recipe.tokenizer.folder import SPECIAL_TOKENS
from recipe.tokenizer.wordpiece import train_wordpiece
from recipe.tokens import encoding, words
from recipe.tokens.encoding import SentenceEncoder, encode_sentences

TEXT = [
    "Aspirin (2-acetoxybenzoic acid) inhibits platelet aggregation, p<0.05.",
    "The naïve café's α-synuclein: 中文 한글 K⁺/Na⁺!",
    "mask sep [ ] cls",
] * 4
# Every kind of character that BERT's tokenizer treats in its own way, and those that other tools take for the end of a
# line or word.
NASTY = (
    "\x00\x01\x0b\x0c\x1c\x1d\x1e\x1f\x7f\x85\xa0\xad\u200b\u200d\u2028\u2029\u202f\u3000\ufeff\ufffd"
    "\u0301\u0308\u0338\u0345\u0e31\u1112\u1161\u11ab"
    "\u0130\u0131\u1e9e\u03a3\u03c2\ufb01\u212b\u2260\u037e\u1fef\u0387\u4e2d\U00020000\U0001f600\u2019\u2014"
    "«»¿+<=>|~^`$#"
)
pieces = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=6),
    st.text(NASTY, max_size=4),
    st.text("ab cA.,-#'\t\r ", max_size=8),
    st.sampled_from([*SPECIAL_TOKENS, "[mask]", "##in", "aspirin", "x" * 101, "é" * 100, "e\u0301" * 60, "中" * 101]),
)
lines = st.lists(pieces, max_size=8).map("".join)


def tokenizer_of(**settings) -> Tokenizer:
    return train_wordpiece([Document(TEXT, "test")], TokenizerConfig(vocab_size=180, min_frequency=1, **settings))


def variants() -> dict[str, Tokenizer]:
    """Tokenizers of one family with other settings of each part."""
    raw = tokenizer_of()
    raw.normalizer = normalizers.BertNormalizer(
        clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False
    )
    accents = tokenizer_of(lowercase=False)
    accents.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=True)
    padded = tokenizer_of()
    padded.enable_padding(length=8)
    padded.enable_truncation(4)
    nfkc = {"nfkc": tokenizer_of(nfkc=True), "nfkc, cased": tokenizer_of(nfkc=True, lowercase=False)}
    return {
        "uncased": tokenizer_of(),
        "cased": tokenizer_of(lowercase=False),
        "raw": raw,
        "accents": accents,
        "padded": padded,
        **nfkc,
    }


TOKENIZERS = variants()
ENCODERS = {name: SentenceEncoder(tokenizer.to_str()) for name, tokenizer in TOKENIZERS.items()}


def line_by_line(tokenizer: Tokenizer, text: list[str]) -> list[list[int]]:
    plain = Tokenizer.from_str(tokenizer.to_str())
    plain.encode_special_tokens = True
    plain.no_padding()
    plain.no_truncation()
    return [plain.encode(line, add_special_tokens=False).ids for line in text]


def by_encoder(encoder: SentenceEncoder, text: list[str]) -> list[list[int]]:
    ids, lengths = encoder.encode("\n".join(text).encode())
    assert ids.dtype == encoder.dtype
    assert lengths.sum() == len(ids)
    return [part.tolist() for part in np.split(ids, np.cumsum(lengths)[:-1])]


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=200, deadline=None)
@given(st.lists(lines, min_size=1, max_size=6))
@example(["a \u0301b .\u0301c", "", "\x0b \x0c a\x0bb", "[MASK][SEP] x"])
def test_words_give_the_ids_of_their_line(name, text):
    assert ENCODERS[name].uses_words
    assert by_encoder(ENCODERS[name], text) == line_by_line(TOKENIZERS[name], text)


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.one_of(pieces, st.text("中文。、　\u0301ab", max_size=9), st.just("ab1" * 40)), max_size=8).map(
        "".join
    ),
    st.integers(1, 120),
)
def test_long_words_are_cut_without_a_trace(name, line, limit):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "LONG_WORD", limit)
        encoder = SentenceEncoder(TOKENIZERS[name].to_str())
        assert encoder.uses_words
        assert by_encoder(encoder, [line, "中" + line]) == line_by_line(TOKENIZERS[name], [line, "中" + line])


def test_every_character_beside_every_kind_of_cut():
    characters = [chr(code) for code in range(0x3100) if chr(code) != "\n"]
    text = [f"a{c}b {c}c.{c} {c}" for c in characters]
    for name in TOKENIZERS:
        assert by_encoder(ENCODERS[name], text) == line_by_line(TOKENIZERS[name], text)


@pytest.mark.skipif(not (SHARED / "data" / "biomedical").is_dir(), reason="the shared biomedical texts are not here")
def test_real_text():
    import gzip

    with gzip.open(SHARED / "data" / "biomedical" / "craft.txt.gz") as file:
        text = file.read(2_000_000).decode(errors="ignore").split("\n")
    assert by_encoder(ENCODERS["uncased"], text) == line_by_line(TOKENIZERS["uncased"], text)


def test_text_never_becomes_a_special_token():
    specials = {TOKENIZERS["uncased"].token_to_id(token) for token in SPECIAL_TOKENS if token != "[UNK]"}
    words = Tokenizer(
        models.WordPiece({token: number for number, token in enumerate([*SPECIAL_TOKENS, "a"])}, unk_token="[UNK]")
    )
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.add_special_tokens(list(SPECIAL_TOKENS))
    for encoder in (
        ENCODERS["uncased"],
        SentenceEncoder(TOKENIZERS["uncased"].to_str(), uses_words=False),
        SentenceEncoder(words.to_str()),
    ):
        ids, _ = encoder.encode(b"[MASK] [SEP][CLS] a[PAD] [MASK]")
        assert len(ids)
        assert not set(ids.tolist()) & specials


@pytest.mark.parametrize("limit", [0, 5, 40])
def test_a_full_dictionary_is_forgotten(monkeypatch, limit):
    monkeypatch.setattr(words, "MAX_WORDS", limit)
    encoder = SentenceEncoder(TOKENIZERS["uncased"].to_str())
    for _ in range(3):
        for line in TEXT[:3]:
            assert by_encoder(encoder, [line]) == line_by_line(TOKENIZERS["uncased"], [line])
            assert len(encoder._words._known) <= limit + 40


def test_other_tokenizers_go_line_by_line():
    plain = tokenizer_of()
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    added = tokenizer_of()
    added.add_tokens([AddedToken("platelet aggregation")])
    for tokenizer in (plain, added):
        encoder = SentenceEncoder(tokenizer.to_str())
        assert not encoder.uses_words
        assert by_encoder(encoder, [*TEXT, ""]) == line_by_line(tokenizer, [*TEXT, ""])


def test_a_tokenizer_that_lies_about_its_words_goes_line_by_line(monkeypatch):
    tokenizer = tokenizer_of()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    monkeypatch.setattr(encoding, "_bert_normalizer", lambda tokenizer_json: ({"handle_chinese_chars": True}, False))
    assert not SentenceEncoder(tokenizer.to_str()).uses_words


def test_a_difference_is_raised_with_its_line(monkeypatch):
    encoder = SentenceEncoder(TOKENIZERS["uncased"].to_str())
    encoder.encode(b"aspirin")
    encoder._words._ids = encoder._words._ids + np.uint16(1)
    with pytest.raises(RuntimeError, match=r"different token ids.*'aspirin'"):
        encoder.encode(b"aspirin")


def test_large_vocabularies_take_four_bytes():
    vocabulary = {
        token: number for number, token in enumerate([*SPECIAL_TOKENS, *(f"w{number}" for number in range(2**16))])
    }
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    ids, _ = SentenceEncoder(tokenizer.to_str()).encode(b"w65535 w1")
    assert (ids.dtype, ids.tolist()) == (np.uint32, [65540, 6])


def test_a_line_of_ten_megabytes():
    encoder = ENCODERS["uncased"]
    ids, lengths = encoder.encode(b"aspirin, " * 1_100_000 + b"\n" + b"acgt" * 2_500_000)
    unknown = TOKENIZERS["uncased"].token_to_id("[UNK]")
    assert lengths.tolist() == [len(ids) - 1, 1]
    assert ids[-1] == unknown, "one word of ten million letters is unknown"
    assert ids[: len(ids) // 1_100_000].tolist() == line_by_line(TOKENIZERS["uncased"], ["aspirin,"])[0]


def test_encode_sentences_is_flat():
    ids, lengths = encode_sentences(TOKENIZERS["uncased"], ["aspirin", "", "aspirin mask"])
    assert lengths.tolist()[1] == 0
    assert lengths.sum() == len(ids)


def test_json_without_parts_is_no_bert_tokenizer():
    assert encoding._bert_normalizer(
        json.dumps({"normalizer": None, "pre_tokenizer": None, "model": {"type": "WordPiece"}})
    ) == (None, False)


def test_pandas_is_not_imported():
    code = (
        "import sys; from recipe.tokens.encoding import SentenceEncoder;"
        " SentenceEncoder(sys.stdin.read()).encode(b'aspirin'); sys.exit('pandas' in sys.modules)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], input=TOKENIZERS["uncased"].to_str(), text=True, cwd=ROOT, check=False
        ).returncode
        == 0
    )


OWN = tokenizer_of()
OWN.add_special_tokens(["[ANON]", "<drug name>"])
OWN_ENCODER = SentenceEncoder(OWN.to_str())


@given(lines, st.lists(st.sampled_from(["[ANON]", "<drug name>", "[MASK]"]), max_size=3))
def test_special_tokens_of_the_user_have_their_ids_and_those_of_bert_are_text(text, own):
    line = f" {text} ".join(["", *own, ""])
    ids, _ = OWN_ENCODER.encode(line.encode())
    for token in ("[ANON]", "<drug name>"):
        assert (ids == OWN.token_to_id(token)).sum() == line.count(token)
    for token in SPECIAL_TOKENS:
        if token != "[UNK]":
            assert not (ids == OWN.token_to_id(token)).any()
    # Without those of BERT in the text it is what the user's tokenizer gives.
    if not any(token in line for token in SPECIAL_TOKENS):
        assert ids.tolist() == OWN.encode(line, add_special_tokens=False).ids
