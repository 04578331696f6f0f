"""The start from a checkpoint: what is kept of it, what starts anew, and what is refused."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_task import SPECIALS, build_config, build_tokenizer, write_checkpoint
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers

from recipe.errors import InputError
from recipe.model.bert import BertForPreTraining
from recipe.model.start import MLM_HEAD, _exchange, sources_of, start_from

OLD = build_tokenizer().backend_tokenizer


def tokenizer_of(pieces: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    return tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "model")


def saved(folder: Path, model_class, tmp_path: Path) -> Path:
    """The checkpoint as another class of transformers saves it, without the heads that it lacks."""
    model_class.from_pretrained(folder).save_pretrained(tmp_path)
    return tmp_path


def test_with_its_own_vocabulary_a_checkpoint_is_what_it_was(folder):
    start = start_from(folder, OLD, OLD, None, seed=1)
    stock = transformers.BertForPreTraining.from_pretrained(folder).state_dict()
    found = start.model.state_dict()
    assert found.keys() == stock.keys()
    assert all(torch.equal(found[name], stock[name]) for name in stock)
    assert (start.fresh, start.kept, start.composed, start.drawn) == ((), OLD.get_vocab_size(), 0, 0)
    assert "anew" not in start.line()


@pytest.mark.parametrize(
    ("model_class", "fresh"),
    [
        (transformers.BertForMaskedLM, ("the NSP head", "the pooler")),
        (transformers.BertForNextSentencePrediction, (MLM_HEAD,)),
        (transformers.BertModel, (MLM_HEAD, "the NSP head")),
    ],
)
def test_heads_that_a_checkpoint_lacks_start_anew_and_are_named(folder, tmp_path, model_class, fresh):
    path = saved(folder, model_class, tmp_path)
    heads = {MLM_HEAD: "cls.predictions.", "the NSP head": "cls.seq_rel", "the pooler": "bert.pooler"}
    start, again, other = (start_from(path, OLD, OLD, None, seed=seed) for seed in (1, 1, 2))
    assert start.fresh == fresh
    assert [part in start.line() for part in heads] == [part in fresh for part in heads]
    given_weights = transformers.BertForPreTraining.from_pretrained(folder).state_dict()
    for name, weight in start.model.state_dict().items():
        is_fresh = name.startswith(tuple(heads[part] for part in fresh)) and "decoder.weight" not in name
        assert torch.equal(weight, given_weights[name]) or is_fresh, name
        # Biases are zeros and LayerNorms ones in every initialisation.
        assert torch.equal(weight, again.model.state_dict()[name])
        if is_fresh and "transform.dense.weight" in name:
            assert torch.equal(weight, torch.eye(32))
        elif is_fresh and "transform.LayerNorm.weight" in name:
            assert torch.equal(weight, torch.full((32,), 0.5))
        elif is_fresh and weight.dim() == 2:
            assert not torch.equal(weight, other.model.state_dict()[name])


def test_old_names_and_pickles_of_weights_are_read(folder, tmp_path):
    weights = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): weight
        for name, weight in load_file(folder / "model.safetensors").items()
        if "decoder" not in name
    }
    assert any("gamma" in name for name in weights)
    torch.save(weights, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    start = start_from(tmp_path, OLD, OLD, None, seed=1)
    stock = transformers.BertForPreTraining.from_pretrained(folder).state_dict()
    assert start.fresh == ()
    assert all(torch.equal(weight, stock[name]) for name, weight in start.model.state_dict().items())


class Bomb:
    """A pickle of this makes a file when it is loaded as code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_pickle_is_not_run(folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    torch.save({"bert.pooler.dense.bias": Bomb(tmp_path / "ran")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"contains code instead of weights, which was not run") as refused:
        start_from(tmp_path, OLD, OLD, None, seed=1)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "ran").exists()
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps([1]))
    with pytest.raises(InputError):
        start_from(tmp_path, OLD, OLD, None, seed=1)


def test_a_checkpoint_without_a_layer_or_with_another_tokenizer_is_refused(folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    weights = load_file(folder / "model.safetensors")
    del weights["bert.encoder.layer.0.output.dense.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"lacks the weight bert.encoder.layer.0.output.dense.weight \(and 0 more\)"):
        start_from(tmp_path, OLD, OLD, None, seed=1)
    larger = build_tokenizer(["one", "more"]).backend_tokenizer
    size = OLD.get_vocab_size()
    with pytest.raises(InputError, match=rf"its tokenizer has {size + 2} entries, but the model only {size} embedd"):
        start_from(folder, OLD, larger, None, seed=1)


def test_a_new_piece_starts_as_the_mean_of_the_old_pieces_of_its_text(folder):
    pieces = [*SPECIALS, "zinc", "carbonate", "##ate", "renal", "Zinc", "##nalate", "zincé", "ö", "##rats"]
    start = start_from(folder, tokenizer_of(pieces), OLD, None, seed=1)
    old = transformers.BertForPreTraining.from_pretrained(folder)
    table, ids = old.bert.embeddings.word_embeddings.weight, OLD.get_vocab()
    found, bias = start.model.bert.embeddings.word_embeddings.weight, start.model.cls.predictions.bias
    for piece, parts in (
        ("zinc", ["zinc"]),
        ("##ate", ["##ate"]),
        ("carbonate", ["carbon", "##ate"]),
        ("renal", ["re", "##nal"]),
        # An uncased tokenizer reads it so.
        ("Zinc", ["zinc"]),
        # What goes on in a word is made of pieces that go on in one.
        ("##nalate", ["##nal", "##ate"]),
    ):
        places = [ids[part] for part in parts]
        torch.testing.assert_close(found[pieces.index(piece)], table[places].mean(0))
        torch.testing.assert_close(bias[pieces.index(piece)], old.cls.predictions.bias[places].mean())
    assert (start.kept, start.composed, start.drawn) == (7, 4, 3)
    assert "7 of 14 pieces keep their embedding; 4 start as the mean of the old pieces" in start.line()
    # Nothing is known of "ö" and of the two that fill up to a multiple of 8.
    assert len(found) == 16
    drawn = found[[pieces.index("ö"), 14, 15]]
    assert len({row.sum().item() for row in drawn}) == 3
    assert 0.3 * table.std() < drawn.std() < 3 * table.std()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=12, unique=True),
    st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=12, unique=True),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_shared_pieces_keep_their_rows_wherever_they_stand(old_words, new_words, draw, is_tied):
    old_pieces, new_pieces = ([*SPECIALS, *words] for words in (old_words, new_words))
    draw.shuffle(new_pieces)
    model = BertForPreTraining(build_config(len(old_pieces) + 2, tie_word_embeddings=is_tied))
    head = model.cls.predictions
    with torch.no_grad():
        head.decoder.bias.normal_()
    before = copy.deepcopy(model)
    sources = sources_of(tokenizer_of(new_pieces).get_vocab(), tokenizer_of(old_pieces))
    _exchange(model, sources, 32, new_pieces.index("[PAD]"), seed=1)
    assert (model.config.vocab_size, model.config.pad_token_id) == (32, new_pieces.index("[PAD]"))
    assert head.bias is head.decoder.bias
    assert (head.decoder.weight is model.bert.embeddings.word_embeddings.weight) == is_tied
    for module in ("bert.embeddings.word_embeddings", "cls.predictions.decoder"):
        rows, old_rows = model.get_submodule(module).weight, before.get_submodule(module).weight
        assert rows.shape == (32, 32)
        for piece in {*old_pieces} & {*new_pieces}:
            assert torch.equal(rows[new_pieces.index(piece)], old_rows[old_pieces.index(piece)])
    for piece in {*old_pieces} & {*new_pieces}:
        assert head.bias[new_pieces.index(piece)] == before.cls.predictions.decoder.bias[old_pieces.index(piece)]


def test_a_model_with_another_vocabulary_is_saved_and_loaded_by_others(folder, tmp_path):
    start = start_from(folder, tokenizer_of([*SPECIALS, "carbonate", "zinc"]), OLD, None, seed=1)
    start.model.save_pretrained(tmp_path)
    loaded = transformers.BertForMaskedLM.from_pretrained(tmp_path)
    assert loaded.config.vocab_size == 8
    ids = torch.tensor([[2, 5, 6, 3]])
    states = start.model.bert(input_ids=ids, token_type_ids=torch.zeros_like(ids)).last_hidden_state
    torch.testing.assert_close(
        loaded.eval()(ids).logits, start.model.eval().cls.predictions(states), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize(
    ("piece", "parts"),
    [
        ("zinc", ["zin", "##c"]),
        ("zinoc", ["zin", "##oc"]),
        ("##zinc", ["##z", "##i", "##n", "##c"]),
        ("zx", []),
        ("##x", []),
    ],
)
def test_old_pieces_are_the_longest_that_fit(piece, parts):
    old = tokenizer_of([*SPECIALS, "z", "zi", "zin", "##z", "##i", "##n", "##o", "##oc", "##c"])
    pieces = [*SPECIALS, piece]
    found = sources_of(tokenizer_of(pieces).get_vocab(), old)[len(SPECIALS)]
    assert found == [old.token_to_id(part) for part in parts]
