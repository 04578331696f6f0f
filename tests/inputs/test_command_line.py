"""What a command line answers to bad options, variables of launchers and sizes."""

import errno
import sys

import pytest
from conftest import small_recipe, write_corpus
from hypothesis import given
from hypothesis import strategies as st
from tqdm import tqdm

from recipe.arguments import exit_with_one_line
from recipe.cli import COMMANDS, main
from recipe.config import ModelConfig, Recipe, TrainingConfig
from recipe.config_file import known_keys, nearest_key_hint
from recipe.errors import InputError
from recipe.inputs.options import nearest_name
from recipe.model.memory import BYTES_PER_PARAMETER, activation_bytes, parameters_of, require_memory
from recipe.processes import check_launcher

GROUP = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


def refused(arguments: list[str], capsys) -> str:
    """The one line of a refusal."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out, printed.err.count("\n")) == (2, "", 1)
    assert printed.err.startswith("error: ")
    return printed.err


@pytest.mark.parametrize("name", COMMANDS)
def test_usage_errors_are_one_line(name, capsys):
    assert "are required" in refused([name], capsys)
    assert "unknown argument --no-such-thing" in refused([name, "--no-such-thing"], capsys)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run demo --untl pairs", "did you mean --until?"),
        ("run demo --max_seq_length 3", "did you mean --pairs.max_seq_length?"),
        ("run demo --TRAINING.max-steps 3", "did you mean --training.max_steps?"),
        ("corpus demo demo", "'demo' is one argument too many"),
        ("run demo --seed", "argument --seed: expected one argument"),
        ("init x.yaml --corpuss y", "did you mean --corpus?"),
        ("finetune --model x --tsk y", "did you mean --task?"),
        ("compare a b --samples many", "invalid int value: 'many'"),
    ],
)
def test_the_nearest_option_is_named(line, message, capsys):
    assert message in refused(line.split(), capsys)


@given(st.sampled_from(sorted(known_keys())), st.integers(0, 40))
def test_a_key_with_one_letter_missing_is_found(key, place):
    section, _, last = key.rpartition(".")
    if len(last) > 5:
        place = place % len(last)
        wrong = ".".join(filter(None, [section, last[:place] + last[place + 1 :]]))
        near = nearest_name(wrong.upper(), list(known_keys())) or ""
        # adam_beta is as near to adam_beta1 as to adam_beta2, and max_sep_length to that of two sections.
        assert near[:-1] == key[:-1] or near.split(".")[-1] == last
        assert near in nearest_key_hint(wrong)


@pytest.mark.parametrize(
    "environment",
    [{name: "1"} for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")]
    + [
        {**GROUP, name: wrong}
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")
        for wrong in ("x", "-1", "")
    ]
    + [{**GROUP, "RANK": "2"}, {**GROUP, "WORLD_SIZE": "0"}, {**GROUP, "MASTER_PORT": "65536"}]
    + [{name: value for name, value in GROUP.items() if name != left} for left in GROUP]
    + [{name: "2"} for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")],
)
def test_left_over_variables_of_a_launcher_are_refused(environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="torchrun or `accelerate launch`"):
        check_launcher(is_one_world=True)


@pytest.mark.parametrize(
    "environment",
    [{}, GROUP, {**GROUP, "LOCAL_WORLD_SIZE": "2", "OMPI_COMM_WORLD_SIZE": "2"}, {"MASTER_ADDR": "x"},
     {"PMI_SIZE": "1"}, {"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}],
)  # fmt: skip
def test_what_launchers_and_batch_systems_set_is_taken(environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    check_launcher(is_one_world=True)


def test_a_left_over_rank_stops_every_command(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    for name in COMMANDS:
        assert "RANK is 1 in the environment without WORLD_SIZE" in refused([name, "x"], capsys)


@pytest.mark.parametrize("sizes", [{}, {"num_hidden_layers": 2, "hidden_size": 48, "intermediate_size": 100}])
def test_parameters_are_counted_as_the_model_has_them(sizes):
    from recipe.model.bert import bert_config, fresh_model

    model = ModelConfig(num_attention_heads=4, **sizes)
    found = sum(parameter.numel() for parameter in fresh_model(bert_config(model, 1000, 0), 1, None).parameters())
    assert parameters_of(model, 1000) == found


def test_a_model_that_the_memory_cannot_hold_is_refused_with_the_numbers(monkeypatch):
    recipe = Recipe(training=TrainingConfig(use_cpu=True))
    needed = parameters_of(recipe.model, recipe.tokenizer.vocab_size) * BYTES_PER_PARAMETER + activation_bytes(recipe)
    monkeypatch.setattr("recipe.model.memory._memory", lambda use_cpu: (needed, "this machine"))
    require_memory(recipe)
    monkeypatch.setattr("recipe.model.memory._memory", lambda use_cpu: (needed - 1, "this machine"))
    numbers = r"has 110,\d{3},\d{3} parameters, which need 1\.8 GB .* this machine has \d+\.\d GB"
    with pytest.raises(InputError, match=numbers + "; lower training.per_device_batch_size to 32, or"):
        require_memory(recipe)
    monkeypatch.setattr("recipe.model.memory._memory", lambda use_cpu: (1_000_000_000, "this machine"))
    with pytest.raises(InputError, match=numbers + r"; lower model\.num_hidden_layers, model\.hidden_size"):
        require_memory(recipe)


@pytest.mark.parametrize("size", ["hidden_size=99999996", "num_hidden_layers=1000", "vocab_size=2000000000"])
def test_absurd_sizes_are_refused_before_anything_is_built(tmp_path, capsys, size):
    path = tmp_path / "recipe.yaml"
    path.write_text(small_recipe(write_corpus(tmp_path / "c.txt"), tmp_path / "run").to_yaml())
    wide = ["--model.intermediate_size=2000000000"] if "layers" in size else []
    line = refused(["run", str(path), f"--model.{size}", "--model.num_attention_heads=1", *wide], capsys)
    assert "GB for weights, gradients and Adam" in line
    assert not (tmp_path / "run").exists()


def raise_(error: BaseException) -> None:
    raise error


def test_an_error_line_begins_a_line_of_its_own_after_a_bar(capsys):
    bar = tqdm(total=10, file=sys.stderr, disable=False)
    bar.update(3)
    with pytest.raises(SystemExit):
        exit_with_one_line(lambda: raise_(InputError("something")))
    assert capsys.readouterr().err.split("\n")[-2] == "error: something"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENAMETOOLONG, "File name too long", "xyz"), "error: xyz: File name too long; check"),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), "error: a/b: Permission denied; check"),
        (MemoryError(), "error: the memory is full"),
        (InputError("https://anna:pass" + "word@example.org/a\n b"), "error: https://***@example.org/a b\n"),
    ],
)
def test_errors_of_files_and_memory_are_one_line_without_secrets(error, line, capsys):
    with pytest.raises(SystemExit) as ended:
        exit_with_one_line(lambda: raise_(error))
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(line)


def test_errors_of_this_program_are_not_hidden():
    for error in (KeyError("x"), OSError("no file is named"), RuntimeError("x")):
        with pytest.raises(type(error)):
            exit_with_one_line(lambda error=error: raise_(error))
