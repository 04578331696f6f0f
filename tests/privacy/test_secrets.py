import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_secrets import HARMLESS, SECRETS

from recipe.config import CorpusConfig, Recipe
from recipe.config_file import load_recipe
from recipe.privacy.secrets import masked, near, secrets_in

SURROUNDINGS = st.sampled_from([b"", b" ", b"\n", b'"', b": ", b"<p>", b"\x00\xff", b"=", b"'"])


@pytest.mark.parametrize("name", SECRETS)
def test_every_form_is_found_and_masked(name):
    secret = SECRETS[name]
    assert list(secrets_in(f"a: {secret}\n".encode()))
    hidden = masked(f"see {secret} there")
    assert "***" in hidden
    assert hidden.startswith("see ")
    assert not list(secrets_in(hidden.encode()))


@given(name=st.sampled_from(sorted(SECRETS)), before=SURROUNDINGS, after=SURROUNDINGS, far=st.integers(0, 5000))
def test_a_secret_is_found_wherever_it_stands(name, before, after, far):
    noise = random.Random(far).randbytes(far)
    assert list(secrets_in(noise + b" " + before + SECRETS[name].encode() + after + b" " + noise))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text):
    assert not list(secrets_in(text.encode()))
    assert masked(text) == text


def test_random_bytes_of_weights_contain_no_secret():
    assert not list(secrets_in(random.Random(1).randbytes(4_000_000)))


def test_a_word_is_found_across_blocks(monkeypatch):
    monkeypatch.setattr("recipe.privacy.secrets._BLOCK", 8)
    for place in range(40):
        content = b"." * place + b"TOKEN_" + b"." * 20
        assert any(b"TOKEN_" in part for part in near(b"token_", content)), place


def test_secrets_of_the_environment_are_found_and_masked(monkeypatch):
    monkeypatch.setenv("MY_SERVICE_PASSWORD", "correct horse")
    monkeypatch.setenv("SHORT_KEY", "abc")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "disabled")
    assert list(secrets_in(b"the correct horse")) == ["the value of MY_SERVICE_PASSWORD"]
    assert masked("the correct horse, disabled, abc") == "the ***, disabled, abc"


def test_records_and_recipes_contain_no_password(tmp_path):
    url = "https://anna:hunter2@example.org/a.txt?X-Amz-Signature=0123456789&x=1"
    recipe = Recipe(corpus=CorpusConfig(path=[url, "texts/a.txt"]))
    expected = ["https://***@example.org/a.txt?X-Amz-Signature=***&x=1", "texts/a.txt"]
    assert recipe.settings("corpus")["corpus.path"] == expected
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "recipe.yaml").corpus.path == expected
    # A URL that was signed anew is no change of the settings.
    again = Recipe(corpus=CorpusConfig(path=[url.replace("0123", "4567"), "texts/a.txt"]))
    assert again.settings("corpus") == recipe.settings("corpus")
