"""One route from text to ids: fine-tuning and prediction give a text the ids that it has in pretraining."""

from itertools import chain
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_task import SPECIALS, build_tokenizer
from tokenizers import normalizers, pre_tokenizers
from transformers import AddedToken, PreTrainedTokenizerFast

from recipe.tasks.data.examples import Example, TextTask
from recipe.tasks.prediction.tagger import Tagger
from recipe.tasks.types.encoded_texts import encode_texts
from recipe.tasks.types.windows import make_windows
from recipe.tokens.encoding import SentenceEncoder
from recipe.tokens.plain_text import plain_text_tokenizer

MORE = ["[", "]", "mask", "sep", "cls", "pad", "un", "##k", "e", "中", "ก", "##ก", "😀"]
WORDS = [
    "zinc",
    "carbonate",
    "[MASK]",
    "[SEP]",
    "x[CLS]y",
    "[PAD].",
    "[UNK]",
    "[mask]",
    "é",
    "e\u0301",
    "中文",
    "กก",
    "😀",
    "-",
]
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)


@pytest.fixture(scope="module", params=["BERT's pre-tokenizer", "white space"])
def tokenizer(request) -> PreTrainedTokenizerFast:
    """The second one leaves "[MASK]" in one piece, which the vocabulary has."""
    found = build_tokenizer(MORE)
    if request.param == "white space":
        found.backend_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        # Small letters would not be in the vocabulary.
        found.backend_tokenizer.normalizer = normalizers.NFC()
    return found


@pytest.mark.parametrize("text", ["zinc [ANON] oxide", "[ANON]", "[MASK] [ANON]-[SEP] zinc"])
def test_a_special_token_of_the_user_has_one_id_everywhere(text):
    found = build_tokenizer(MORE)
    found.add_special_tokens({"additional_special_tokens": ["[ANON]"]})
    own = found.convert_tokens_to_ids("[ANON]")
    assert pretraining_ids(found, text).count(own) == 1
    assert finetuning_ids(found, text) == pretraining_ids(found, text)


def pretraining_ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return SentenceEncoder(tokenizer.backend_tokenizer.to_str()).encode(text.encode())[0].tolist()


def finetuning_ids(tokenizer: PreTrainedTokenizerFast, text: str, other: str = "") -> list[int]:
    task = TextTask("t", ["a"], "texts", [], [], [Example("1", text, other, "a")])
    reading = SimpleNamespace(label=lambda gold: 0)
    (row,) = encode_texts(task, tokenizer, 256, reading)["test"].rows
    return row.input_ids[1:-1]


def prediction_ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    tagger = Tagger.__new__(Tagger)
    tagger._plain, tagger.longest = plain_text_tokenizer(tokenizer), 256
    (sentence,) = tagger._encode([text], [0])
    return list(chain.from_iterable(sentence.pieces))


@given(text=TEXTS, other=TEXTS)
def test_ids_are_those_of_pretraining(tokenizer, text, other):
    expected = pretraining_ids(tokenizer, text)
    assert finetuning_ids(tokenizer, text) == prediction_ids(tokenizer, text) == expected
    separator = tokenizer.sep_token_id
    assert finetuning_ids(tokenizer, text, other) == [*expected, separator, *pretraining_ids(tokenizer, other)]
    (window,) = make_windows([text.split()], tokenizer, 256)
    assert window.input_ids[1:-1] == expected
    specials = {SPECIALS.index(token) for token in ("[PAD]", "[CLS]", "[SEP]", "[MASK]")}
    assert specials.isdisjoint(expected)


def test_a_users_own_special_token_keeps_its_id():
    tokenizer = build_tokenizer(MORE)
    tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken("[ANON]", special=True)]})
    own = tokenizer.convert_tokens_to_ids("[ANON]")
    text = "zinc [ANON] [MASK][ANON] ."
    for ids in (finetuning_ids(tokenizer, text), prediction_ids(tokenizer, text)):
        assert ids.count(own) == 2
        assert SPECIALS.index("[MASK]") not in ids
    (window,) = make_windows([text.split()], tokenizer, 256)
    assert window.input_ids[1:-1] == finetuning_ids(tokenizer, text)
    assert window.words == [0, 1, 2, 3], "each word is scored, also a special one"


def test_a_models_other_names_of_special_tokens_are_text_too():
    tokenizer = build_tokenizer(["<s>", "</s>", "<", ">", "/", "s"])
    tokenizer.add_special_tokens({"cls_token": "<s>", "sep_token": "</s>"})
    ids = finetuning_ids(tokenizer, "<s> zinc </s>")
    assert {tokenizer.cls_token_id, tokenizer.sep_token_id}.isdisjoint(ids)
    assert len(ids) == 8
