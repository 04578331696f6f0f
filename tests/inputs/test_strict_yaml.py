import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from recipe.config_file import load_recipe, yaml_value
from recipe.errors import InputError
from recipe.inputs.strict_yaml import compose, value_of

WORDS = st.text("abcxyz019 .:-_#'\"", min_size=1, max_size=12)


def read(text: str, as_text: bool = False):
    return value_of(compose(text, "recipe.yaml"), as_text)


@pytest.mark.parametrize(
    "text",
    ["017", "0o17", "0x1F", "0b1", "1:30", "1:30:00", "2024-01-01", "yes", "no", "on", "off", "y", "N", "1__0", "1_",
     "00.5", ".inf", "-.inf", ".nan", "nan", "1,000", "1 000", "10k", "=", "<<", "tRue", "9" * 5000],
)  # fmt: skip
def test_what_yaml_1_1_would_turn_into_something_else_is_text(text):
    assert read(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [("1_000", 1000), ("+3", 3), ("-0", 0), ("5e-5", 5e-5), ("1E3", 1000.0), (".5", 0.5), ("1.", 1.0), ("~", None),
     ("", None), ("NULL", None), ("TRUE", True), ("'true'", "true"), ("'1'", "1"), ("[1, no]", [1, "no"])],
)  # fmt: skip
def test_numbers_and_booleans_as_people_write_them(text, value):
    assert read(text) == value
    assert type(read(text)) is type(value)


def test_a_key_that_takes_text_gets_what_was_written(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("run_dir: 017\ncorpus:\n  path: [1.50, 1_000, True, 2024-01-01, 1e3]\nhub:\n  domain: 1.0\n")
    recipe = load_recipe(path, {"tokenizer.path": "1.10"})
    assert recipe.corpus.path == ["1.50", "1_000", "True", "2024-01-01", "1e3"]
    assert (recipe.run_dir, recipe.hub.domain, recipe.tokenizer.path) == ("017", "1.0", "1.10")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nrun_dir: x\nseed: 2\n", "recipe.yaml, line 3: the key seed is in line 1 already"),
        ("a:\n  b: 1\n  c: 2\n  'b': 3\n", "line 4: the key b is in line 2 already"),
        ("a: &x [1]\nb: [*x, *x]\n", "line 2: \\*x is an alias"),
        ("a: &a\n  <<: *a\n", "line 2: \\*a is an alias"),
        ("seed: !!int 017\n", "line 1: tag:yaml.org,2002:int is a tag"),
        ("x: !!python/object/apply:os.system [echo]\n", "python/object/apply:os.system is a tag"),
        ("a:\n  - b\n\tc: 1\n", "line 3: begins with a tab"),
        ("? [a]\n: b\n", "line 1: a list or mapping stands where a key belongs"),
        ("a: 1\n---\nb: 2\n", "line 2: is not YAML"),
        ("[" * 9 + "]" * 9 + "\n", "nested more than 8 deep"),
        ("a: \x07\n", "is not YAML"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_with_its_line(text, message):
    with pytest.raises(InputError, match=message):
        read(text)


@given(st.dictionaries(st.text("abcde", min_size=1, max_size=3), WORDS, min_size=1, max_size=5), st.data())
def test_a_key_twice_is_refused_wherever_it_stands(content, data):
    lines = [yaml.safe_dump({key: value}).strip() for key, value in content.items()]
    assert read("\n".join(lines), as_text=True) == content
    again = data.draw(st.sampled_from(lines))
    lines.insert(data.draw(st.integers(0, len(lines))), again)
    with pytest.raises(InputError, match=r"is in line [0-9]+ already"):
        read("\n".join(lines))


@given(st.text(max_size=40))
def test_any_text_is_a_value_or_one_refusal(text):
    with contextlib.suppress(InputError):
        yaml_value(text, "--key")
