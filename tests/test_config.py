import dataclasses
import re
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from recipe.arguments import parse_recipes
from recipe.config import Recipe
from recipe.config_file import known_keys, load_recipe, yaml_value
from recipe.errors import InputError
from recipe.inputs.options import Parser
from recipe.pairs.builder import RULES
from recipe.pretraining.run import SAME_NAMES

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def recipe_of(tmp_path: Path, text: str, *overrides: str) -> Recipe:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    (recipe,), _ = parse_recipes(Parser(), [str(path), *overrides])
    return recipe


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-5", 5e-5),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("0.1", 0.1),
        ("1_000", 1000),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("null", None),
        ("[1, no]", [1, "no"]),
        ("a: b", {"a": "b"}),
    ],
)
def test_yaml_values_without_surprises(text, value):
    assert yaml_value(text, "here") == value
    assert type(yaml_value(text, "here")) is type(value)


def test_file_then_command_line(tmp_path):
    text = "seed: 3\ntraining:\n  learning_rate: 5e-5\n  max_steps: 10\nhub:\n  domain: no\n"
    recipe = recipe_of(tmp_path, text, "--training.max_steps=20", "--corpus.path=[a.txt, b.txt]", "--task.seeds=7")
    assert (recipe.seed, recipe.training.learning_rate, recipe.training.max_steps, recipe.hub.domain) == (
        3,
        5e-5,
        20,
        "no",
    )
    assert (recipe.corpus.path, recipe.task.seeds) == (["a.txt", "b.txt"], [7])
    recipe = recipe_of(tmp_path, text, "--task.learning_rate=5e-5,1e-4", "--task.seeds=1, 2", "--corpus.path=a,b.txt")
    assert (recipe.task.learning_rate, recipe.task.seeds) == ([5e-5, 1e-4], [1, 2])
    assert recipe.corpus.path == ["a,b.txt"]


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        (
            "pairs:\n  max_seq_len: 3\n",
            [],
            "recipe.yaml: unknown key pairs.max_seq_len; did you mean pairs.max_seq_length?",
        ),
        ("trainin:\n  max_steps: 3\n", [], "unknown key trainin"),
        (
            "",
            ["--training.lerning_rate=1"],
            "unknown argument --training.lerning_rate; did you mean --training.learning_rate?",
        ),
        ("", ["--training.max_steps=no"], "training.max_steps is 'no'; it takes a whole number"),
        ("", ["--training.max_steps=1.5"], "whole number"),
        ("", ["--training.bf16=1"], "true or false"),
        ("", ["--pairs.nsp_probability=1.5"], "pairs.nsp_probability is 1.5; it must lie in 0 to 1"),
        ("", ["--pairs.truncation=tail"], "one of random_tail, longest_first"),
        ("", ["--pairs.max_seq_length=1024"], "model.max_position_embeddings is 512"),
        (
            "",
            ["--model.vocab_size=1000"],
            "tokenizer.vocab_size 30522, rounded up to a multiple of 8, is larger than model.vocab_size 1000",
        ),
        (
            "",
            ["--model.hidden_size=100", "--model.num_attention_heads=3"],
            "not a multiple of model.num_attention_heads",
        ),
        ("", ["--masking.random_replace_prob=0.5"], "exceed 1 together"),
        ("", ["--training.per_device_batch_size=100"], "not a multiple of training.per_device_batch_size"),
        ("", ["--task.name=x", "--task.max_seq_length=600"], "task.max_seq_length is 600"),
        ("corpus: 3\n", [], "section corpus holds 3"),
        ("- a\n", [], "holds a list"),
        ("a: [\n", [], "is not YAML"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(tmp_path, text, overrides, message):
    with pytest.raises(InputError) as error:
        recipe_of(tmp_path, text, *overrides)
    assert message in str(error.value)


def test_a_missing_recipe_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_recipe(tmp_path / "absent.yaml")


def test_help_lists_every_key_with_its_default(capsys):
    with pytest.raises(SystemExit):
        parse_recipes(Parser(), ["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    for place, config_field in known_keys().items():
        assert f"--{place} VALUE" in printed
        assert " ".join(config_field.metadata["help"].split()[:6]) in printed
    assert "[0.001 to 0.9; default: 0.15]" in printed


def test_yaml_round_trip(tmp_path):
    recipe = Recipe(seed=5)
    (tmp_path / "r.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "r.yaml") == recipe


def test_every_key_is_read_by_the_code():
    code = "\n".join(path.read_text() for path in (ROOT / "recipe").rglob("*.py") if path.name != "config.py")
    # What a section is called where its keys are read.
    names = {"corpus": "corpus|config", "tokenizer": "tokenizer|config", "pairs": "pairs|rules|settings"}
    names |= {"task": "task|config|settings", "": "recipe"}
    # Keys that are read by their names, such as those that TrainingArguments has too.
    by_name = {*SAME_NAMES, *RULES, *re.findall(r'"([a-z_0-9]+)"', code)}
    unread = []
    for place in known_keys():
        section, _, name = place.rpartition(".")
        is_read = re.search(rf"\b(?:{names.get(section, section)})\.{name}\b", code)
        if not is_read and name not in by_name:
            unread.append(place)
    assert not unread


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_recipes_load(path):
    recipe = load_recipe(path)
    content = yaml.safe_load(path.read_text())
    assert recipe.run_dir == content["run_dir"]


def test_pubmed_recipe_has_the_published_settings():
    # Gu et al., "Domain-Specific Language Model Pretraining for Biomedical NLP" (arXiv 2007.15779), section 3.1 and
    # appendix.
    recipe = load_recipe(ROOT / "configs" / "pubmed-base-128.yaml")
    model = dataclasses.astuple(recipe.model)[:4]
    training = recipe.training
    assert model == (12, 768, 12, 3072)
    assert (recipe.tokenizer.vocab_size, recipe.tokenizer.lowercase) == (30522, True)
    assert (training.global_batch_size, training.learning_rate, training.warmup_share, training.max_steps) == (
        8192,
        6e-4,
        0.1,
        62500,
    )
    assert (recipe.masking.mlm_probability, recipe.masking.whole_word_mask, recipe.pairs.truncation) == (
        0.15,
        True,
        "longest_first",
    )
    second = load_recipe(ROOT / "configs" / "pubmed-base-512.yaml")
    assert second.pairs.max_seq_length == 512
    assert second.training.init_from == f"{recipe.run_dir}/model"
    assert (second.corpus.prepared_from, second.seed) == (recipe.run_dir, recipe.seed)
    assert second.model.max_position_embeddings == recipe.model.max_position_embeddings == 512
