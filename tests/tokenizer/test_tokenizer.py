import json
import shutil
from collections import Counter

import pytest
from conftest import small_recipe
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer

from recipe.config import Recipe, TokenizerConfig
from recipe.corpus import Document
from recipe.corpus.prepared import read_prepared_split
from recipe.errors import InputError
from recipe.tokenizer.build import make_tokenizer
from recipe.tokenizer.fertility import fertility
from recipe.tokenizer.folder import SPECIAL_TOKENS, load_tokenizer, save_tokenizer
from recipe.tokenizer.wordpiece import train_wordpiece
from recipe.tokens.encoding import encode_sentences

TEXT = [
    "Aspirin inhibits platelet aggregation.",
    "The naïve platelets aggregate, as aspirin fails.",
    "Étude of aspirin.",
] * 5


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_wordpiece([Document(TEXT, "test")], TokenizerConfig(vocab_size=200))


def test_special_tokens_come_first(tokenizer):
    assert [tokenizer.token_to_id(token) for token in SPECIAL_TOKENS] == [0, 1, 2, 3, 4]


def test_folder_loads_as_a_fast_bert_tokenizer(tokenizer, tmp_path):
    save_tokenizer(tokenizer, tmp_path, Recipe())
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert type(loaded).__name__ == "BertTokenizer"
    assert loaded.is_fast
    assert (loaded.pad_token, loaded.unk_token, loaded.cls_token, loaded.sep_token, loaded.mask_token) == (
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
    )
    assert loaded.model_max_length == 512
    for sentence in TEXT:
        ids, _ = encode_sentences(tokenizer, [sentence])
        assert loaded(sentence)["input_ids"] == [2, *ids.tolist(), 3]
    assert loaded("aspirin", "platelet")["token_type_ids"][-2:] == [1, 1]
    assert (tmp_path / "vocab.txt").read_text().split("\n")[:-1] == loaded.convert_ids_to_tokens(
        list(range(len(loaded)))
    )
    assert loaded.decode(loaded("Aspirin inhibits")["input_ids"], skip_special_tokens=True) == "aspirin inhibits"


@pytest.mark.parametrize("given", [False, True], ids=["trained", "given"])
def test_words_are_counted_in_the_first_sentences_and_documents_where_they_are_read_anyway(
    prepared, corpus_file, tmp_path, monkeypatch, given
):
    read = []
    monkeypatch.setattr(
        "recipe.tokenizer.build.read_prepared_split",
        lambda *place: (read.append(found) or found for found in read_prepared_split(*place)),
    )
    monkeypatch.setattr("recipe.tokenizer.build.MOST_SENTENCES", 20)
    path = {"tokenizer.path": str(prepared.folder / "tokenizer")} if given else {}
    recipe = small_recipe(corpus_file, tmp_path / "run", **path)
    shutil.copytree(prepared.folder / "corpus", recipe.folder / "corpus")
    make_tokenizer(recipe)
    found, whole = (
        json.loads((folder / "tokenizer" / "statistics.json").read_text())
        for folder in (recipe.folder, prepared.folder)
    )
    documents = len(list(read_prepared_split(recipe.folder / "corpus", recipe.corpus, "train", recipe.seed)))
    assert whole["documents"] == documents
    assert found["documents"] == (None if given else documents)
    assert (1 < len(read) < documents) if given else len(read) == 2 * documents
    assert 0 < found["words"] < whole["words"]


def test_padding_and_truncation_of_a_given_tokenizer_are_off(tokenizer, tmp_path):
    padded = Tokenizer.from_str(tokenizer.to_str())
    padded.enable_padding(length=32)
    padded.enable_truncation(4)
    padded.save(str(tmp_path / "tokenizer.json"))
    loaded = load_tokenizer(tmp_path)
    assert fertility(loaded, Counter(["aspirin", "platelet"])) == fertility(
        tokenizer, Counter(["aspirin", "platelet"])
    )
    save_tokenizer(loaded, tmp_path, Recipe())
    assert len(AutoTokenizer.from_pretrained(tmp_path)("aspirin")["input_ids"]) == 3


def test_a_folder_with_nfkc_loads_with_it(tmp_path):
    recipe = Recipe(tokenizer=TokenizerConfig(vocab_size=200, nfkc=True))
    tokenizer = train_wordpiece([Document([*TEXT, "fibrosis k+"], "test")], recipe.tokenizer)
    save_tokenizer(tokenizer, tmp_path, recipe)
    # Beside a config.json AutoTokenizer goes by the model's type as well.
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded("\ufb01brosis K\u207a", "aspirin")["input_ids"] == loaded("fibrosis K+", "aspirin")["input_ids"]
    assert loaded("aspirin", "platelet")["token_type_ids"] == [0, 0, 0, 1, 1]


def test_encoded_sentences_are_flat(tokenizer):
    ids, lengths = encode_sentences(tokenizer, ["aspirin", "", "aspirin platelet"])
    assert lengths.tolist()[1] == 0
    assert lengths.sum() == len(ids)
    assert ids[: lengths[0]].tolist() == ids[lengths[0] : 2 * lengths[0]].tolist()


@pytest.mark.parametrize("missing", ["[MASK]", "[SEP]", "[CLS]", "[PAD]"])
def test_a_tokenizer_without_a_special_token_is_refused(tmp_path, missing):
    vocabulary = {
        token: number for number, token in enumerate([token for token in SPECIAL_TOKENS if token != missing] + ["a"])
    }
    Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputError) as error:
        load_tokenizer(tmp_path)
    assert missing in str(error.value)
    assert "tokenizer.json" in str(error.value)


def test_other_tokenizers_are_refused(tmp_path):
    vocabulary = {token: number for number, token in enumerate([*SPECIAL_TOKENS, "a"])}
    Tokenizer(models.BPE(vocabulary, [])).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputError, match="BPE"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps({"not": "one"}))
    with pytest.raises(InputError, match="is not a tokenizer"):
        load_tokenizer(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        load_tokenizer(tmp_path / "absent")


@pytest.mark.parametrize(
    ("config", "pieces"),
    [
        (None, ["zinc", "etude", "[UNK]", "[UNK]"]),
        ({}, ["zinc", "etude", "[UNK]", "[UNK]"]),
        ({"do_lower_case": True}, ["zinc", "etude", "[UNK]", "[UNK]"]),
        ({"do_lower_case": False}, ["Zinc", "Étude", "[UNK]", "[UNK]"]),
        ({"do_lower_case": False, "strip_accents": True}, ["Zinc", "[UNK]", "[UNK]", "[UNK]"]),
        ({"tokenize_chinese_chars": False}, ["zinc", "etude", "锌盐"]),
    ],
)
def test_a_vocabulary_alone_is_read_as_transformers_would(tmp_path, config, pieces):
    vocabulary = [*SPECIAL_TOKENS, "zinc", "Zinc", "etude", "Étude", "锌盐"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    if config is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    assert load_tokenizer(tmp_path).encode("Zinc Étude 锌盐", add_special_tokens=False).tokens == pieces
