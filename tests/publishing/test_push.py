"""The push to the Hub: what is sent, what is never sent, and how a refusal looks. The Hub is a stub on loopback; the
client is the real one.
"""

import base64
import json
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hub_stub import TOKEN, Repository, StubHub
from made_up_secrets import SECRETS
from run_folder import make_recipe, write_model, write_run_files

from recipe.errors import InputError
from recipe.pipeline import write_results
from recipe.publishing.push import push_run
from recipe.report.model_card import write_model_card

ROOT = Path(__file__).parents[2]
REPO = "someone/domain-bert"

LOAD = """
import sys, torch
from transformers import AutoModelForMaskedLM, AutoTokenizer
torch.set_num_threads(1)
repo, folder = sys.argv[1:]
ours, theirs = (AutoModelForMaskedLM.from_pretrained(name).state_dict() for name in (folder, repo))
assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
text = "levels of hiv in plasma"
first, second = (AutoTokenizer.from_pretrained(name)(text)["input_ids"] for name in (folder, repo))
assert first == second
print("equal")
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A tiny model, made once; its folder is model/ of a run."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    write_model(folder)
    return folder


@pytest.fixture
def run_dir(tmp_path, model) -> Path:
    """A run folder with a real tiny model and with files that must stay at home."""
    folder = tmp_path / "run"
    write_run_files(make_recipe(folder))
    (folder / "model").mkdir()
    for path in model.iterdir():
        (folder / "model" / path.name).write_bytes(path.read_bytes())
    for name in ("training_args.bin", "optimizer.pt", "trainer_state.json", ".env"):
        (folder / "model" / name).write_bytes(b"stays at home " + TOKEN.encode())
    (folder / "plots").mkdir()
    (folder / "plots" / "mlm_loss.png").write_bytes(b"\x89PNG")
    (folder / "report.html").write_text("<p>report</p>")
    return folder


def test_a_push_is_private_whole_without_secrets_and_loads_back(hub, run_dir, tmp_path):
    result = push(hub, tmp_path, run_dir, "--repo", REPO)
    address, told = result.stdout.splitlines()
    assert (result.returncode, address) == (0, f"{hub.url}/{REPO}"), result.stderr
    assert re.fullmatch(r"10 files, [\d,]+ bytes; private", told)
    repository = hub.repositories[f"models/{REPO}"]
    assert repository.private
    assert len(repository.commits) == 1
    assert set(repository.files) == {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "README.md",
        "recipe.yaml", "report.html", "plots/mlm_loss.png", "provenance.json",
    }  # fmt: skip
    assert not [body for body in hub.bodies if TOKEN.encode() in body or b"stays at home" in body]
    assert not [content for content in (*repository.files.values(), *hub.blobs.values()) if TOKEN.encode() in content]
    assert REPO in repository.files["README.md"].decode()
    assert "NAME/MODEL" not in repository.files["README.md"].decode()
    assert repository.files["model.safetensors"] == (run_dir / "model" / "model.safetensors").read_bytes()
    loaded = python(hub, tmp_path, "-c", LOAD, REPO, str(run_dir / "model"))
    assert loaded.stdout.strip() == "equal", loaded.stderr


def test_public_is_asked_for_by_name(hub, run_dir, tmp_path):
    done = push(hub, tmp_path, run_dir, "--repo", REPO, "--public")
    assert (done.returncode, done.stdout[-9:]) == (0, "; public\n")
    assert not hub.repositories[f"models/{REPO}"].private
    again = push(hub, tmp_path, run_dir, "--repo", REPO)
    assert_one_line(again, "is a public repository already")
    assert len(hub.repositories[f"models/{REPO}"].commits) == 1


def test_what_a_card_says_may_be_set_by_the_push_unless_it_was_completed_by_hand(hub, run_dir, tmp_path):
    write_model_card(run_dir)
    done = push(hub, tmp_path, run_dir, "--repo", REPO, "--hub.license", "mit")
    assert (done.returncode, "by hand" in done.stdout) == (0, False), done.stderr
    card = run_dir / "model" / "README.md"
    assert "license: mit" in hub.repositories[f"models/{REPO}"].files["README.md"].decode()
    card.write_text(card.read_text() + "My own words.\n")
    other = "someone/second"
    done = push(hub, tmp_path, run_dir, "--repo", other, "--hub.license", "apache-2.0")
    assert f"{card}: was changed by hand, so only `domain-bert report {run_dir}` writes it anew" in done.stdout
    sent = hub.repositories[f"models/{other}"].files["README.md"].decode()
    assert "license: mit" in sent
    assert other in sent
    assert REPO not in sent, "a card names the repository in which it is"
    assert sent.endswith("My own words.\n")


def test_a_private_repository_with_commits_of_others_stays_private(hub, run_dir, tmp_path):
    hub.repositories[f"models/{REPO}"] = Repository(private=True, files={"notes": b"mine"}, commits=["my notes"])
    done = push(hub, tmp_path, run_dir, "--repo", REPO, "--public")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{REPO} is private already and stays so; change that in its settings" in done.stdout
    assert hub.repositories[f"models/{REPO}"].private
    assert "model.safetensors" in hub.repositories[f"models/{REPO}"].files


@pytest.mark.parametrize(
    ("refused", "status"),
    [
        (("POST", "/api/repos/create"), 403),
        (("POST", "/commit/"), 403),
        (("PUT", "/blobs/"), 403),
        (("POST", "/preupload/"), 400),
    ],
)
def test_a_refusal_is_one_line(hub, run_dir, tmp_path, refused, status):
    hub.refusals[refused] = (status, "You lack the right to write")
    assert_one_line(push(hub, tmp_path, run_dir, "--repo", REPO), f"error: the Hub did not take {REPO}")
    assert not [repository for repository in hub.repositories.values() if repository.files]


def test_no_login_and_no_hub_are_one_line(hub, run_dir, tmp_path):
    assert_one_line(push(hub, tmp_path, run_dir, "--repo", REPO, token=None), "not logged in")
    hub.shutdown()
    hub.server_close()
    assert_one_line(push(hub, tmp_path, run_dir, "--repo", REPO), "the Hub did not take")


def test_a_token_in_a_file_stops_the_push(run_dir):
    (run_dir / "recipe.yaml").write_text(make_recipe(run_dir, domain=f"notes {TOKEN}").to_yaml())
    with pytest.raises(InputError, match=r"^model/README\.md: contains what looks like a Hub token"):
        push_run(run_dir, REPO, public=False)
    (run_dir / "recipe.yaml").write_text(make_recipe(run_dir).to_yaml())
    (run_dir / "report.html").write_text(f"<p>hf_oauth_{'eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9'}.x</p>")
    with pytest.raises(InputError, match=r"^report\.html: contains what looks like a Hub token"):
        push_run(run_dir, REPO, public=False)


def test_of_the_recipe_only_what_was_recorded_is_uploaded(run_dir, hub, tmp_path):
    stages = json.loads((run_dir / "stages.json").read_text())
    stages["stages"]["pretrain"]["settings"] = {"training.learning_rate": 3e-3, "masking.mlm_probability": 0.2}
    (run_dir / "stages.json").write_text(json.dumps(stages))
    edited = (run_dir / "recipe.yaml").read_text().replace("mlm_probability: 0.2", "mlm_probability: 0.4")
    (run_dir / "recipe.yaml").write_text(edited + "# a note of mine\n")
    assert push(hub, tmp_path, run_dir, "--repo", REPO).returncode == 0
    uploaded = hub.repositories[f"models/{REPO}"].files["recipe.yaml"].decode()
    assert "mlm_probability: 0.2" in uploaded
    assert "a note of mine" not in uploaded


def test_what_is_missing_is_named(run_dir, tmp_path):
    with pytest.raises(InputError, match="give --repo NAME/MODEL"):
        push_run(run_dir, None, public=False)
    with pytest.raises(InputError, match="it takes NAME/MODEL"):
        push_run(run_dir, "no-slash", public=False)
    (run_dir / "model" / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors: is missing.*`domain-bert pretrain`"):
        push_run(run_dir, REPO, public=False)
    with pytest.raises(InputError, match="is not a run folder"):
        push_run(tmp_path / "nothing", REPO, public=False)


def test_only_listed_files_are_uploaded(run_dir):
    (run_dir / "plots" / "notes.txt").write_text("mine")
    places = {line.split()[-1] for line in push_run(run_dir, REPO, public=False, dry_run=True).splitlines()}
    assert {"config.json", "recipe.yaml", "plots/" + next((run_dir / "plots").glob("*.png")).name} <= places
    assert not places & {
        "training_args.bin",
        "optimizer.pt",
        "trainer_state.json",
        ".env",
        "plots/notes.txt",
        "training.json",
    }


def push(
    hub: StubHub, folder: Path, *arguments: object, token: str | None = TOKEN
) -> subprocess.CompletedProcess[str]:
    return python(hub, folder, "scripts/push_to_hub.py", *arguments, token=token)


def python(
    hub: StubHub, folder: Path, *arguments: object, token: str | None = TOKEN
) -> subprocess.CompletedProcess[str]:
    """Run Python with the stub as its Hub and, to show that loopback goes around it, a proxy that is not there."""
    proxies = dict.fromkeys(
        ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"), "http://127.0.0.1:9"
    )
    environment = hub.environment(folder / "hub_home", token) | proxies | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )


def assert_one_line(result: subprocess.CompletedProcess[str], words: str) -> None:
    assert result.returncode == 2, result.stderr
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr + result.stdout
    assert TOKEN not in result.stderr + result.stdout


PLACES = ("report.html", "model/README.md", "model/config.json", "model/tokenizer_config.json", "model/tokenizer.json",
          "model/vocab.txt", "model/model.safetensors", "plots/mlm_loss.png")  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_in_any_file_stops_the_push_and_is_not_shown(run_dir, place, name):
    write_model_card(run_dir)
    path = run_dir / place
    path.write_bytes(path.read_bytes() + f"\n{SECRETS[name]}\n".encode())
    with pytest.raises(InputError, match=f"^{re.escape(place)}: contains what looks like ") as caught:
        push_run(run_dir, REPO, public=False)
    assert SECRETS[name] not in str(caught.value)


@pytest.mark.parametrize("place", PLACES)
def test_a_home_in_any_file_is_cleaned_or_stops_the_push(run_dir, place, monkeypatch):
    write_model_card(run_dir)
    path = run_dir / place
    path.write_bytes(path.read_bytes() + b"\n/home/anna/x\n")
    with pytest.raises(InputError, match=f"^{re.escape(place)}: contains what looks like the path of a home"):
        push_run(run_dir, REPO, public=False)


def test_a_secret_packed_in_a_picture_stops_the_push(run_dir):
    secret = SECRETS["GitHub"].encode()
    text = b"Comment\x00\x00" + zlib.compress(secret)
    chunk = len(text).to_bytes(4, "big") + b"zTXt" + text + b"\x00" * 4
    png = b"\x89PNG\r\n\x1a\n" + chunk
    (run_dir / "plots" / "mlm_loss.png").write_bytes(png)
    with pytest.raises(InputError, match=r"^plots/mlm_loss\.png: .* a token of GitHub"):
        push_run(run_dir, REPO, public=False)
    (run_dir / "plots" / "mlm_loss.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    page = f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    (run_dir / "report.html").write_text(page)
    with pytest.raises(InputError, match=r"^report\.html: .* a token of GitHub"):
        push_run(run_dir, REPO, public=False)


def test_what_is_uploaded_names_neither_folder_nor_user_nor_host(hub, run_dir, tmp_path, monkeypatch):
    recipe = make_recipe(run_dir)
    recipe.corpus.path = ["/home/anna/my texts/pubmed/*.xml.gz", "https://anna:hunter2@example.org/a.txt"]
    recipe.tokenizer.path, recipe.training.init_from = "/home/anna/tok", "~/phase-128/model"
    recipe.task.baselines = ["random", str(tmp_path / "bert")]
    recipe.hub.domain = "/home/anna/notes"
    (run_dir / "recipe.yaml").write_text(recipe.to_yaml())
    for name in ("config.json", "tokenizer_config.json"):
        content = json.loads((run_dir / "model" / name).read_text())
        (run_dir / "model" / name).write_text(json.dumps({**content, "_name_or_path": "/home/anna/tok"}))
    write_results(run_dir)
    done = push(hub, tmp_path, run_dir, "--repo", REPO)
    assert done.returncode == 0, done.stderr
    repository = hub.repositories[f"models/{REPO}"]
    assert repository.commits == ["Add domain-bert, pretrained on notes"]
    for content in (*repository.files.values(), *hub.blobs.values()):
        for trace in (b"anna", b"hunter2", str(tmp_path).encode(), b"/tmp/", str(ROOT).encode()):
            assert trace not in content
    assert "*.xml.gz" in repository.files["recipe.yaml"].decode()
    assert "/home/anna/my texts/pubmed/*.xml.gz" in (run_dir / "recipe.yaml").read_text(), "it can be run again here"


def test_no_code_runs_and_no_pickle_is_read():
    code = {path: path.read_text() for path in (ROOT / "recipe").rglob("*.py")}
    for path, text in code.items():
        assert not re.search(r"trust_remote_code\s*=\s*True|pickle\.loads?\(|weights_only\s*=\s*False", text), path
        assert all("weights_only=True" in call for call in re.findall(r"torch\.load\([^\n]*", text)), path
        assert not re.search(r"\(.*training_args\.bin.*\"rb\"", text), path
