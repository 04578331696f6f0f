"""Secrets and names of this machine planted in a run: does any byte of them reach the Hub?

Run by benchmarks/faults.py. The run is trained by the stages, and `domain-bert push` is the real one. Only those
calls of the Hub's client that would send something are replaced by ones that keep what they are given.
"""

import contextlib
import getpass
import io
import json
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import yaml

from recipe.cli import main

LETTERS = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA"
HEX = "0123456789abcdef0123456789abcdef01234567"
# Put together here, so that no scanner finds them in this file.
PLANTED = {
    "token of the Hub": "hf_" + LETTERS + "xy",
    "token of a login": "hf_oauth_" + LETTERS + LETTERS,
    "token of an organisation": "api_org_" + LETTERS + "xy",
    "token in a URL": "https://anna:" + "hf_" + LETTERS + "@huggingface.co/a/b",
    "key of wandb": '"wandb_api_key": "' + HEX + '"',
    "new key of wandb": "wandb_v1_" + LETTERS + LETTERS,
    "token of GitHub": "ghp_" + LETTERS + "abcd",
    "fine token of GitHub": "github_pat_" + LETTERS + "_" + LETTERS,
    "key of AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "secret of AWS": "aws_secret_access_key=" + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "key of OpenAI": "sk-proj-" + LETTERS + LETTERS,
    "key of Anthropic": "sk-ant-" + "api03-" + LETTERS,
    "token of Slack": "xoxb-" + "123456789012-" + LETTERS,
    "key of Google": "AIza" + "Sy" + LETTERS + "B",
    "private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "signed URL": "https://b.s3.example.org/a.txt?X-Amz-Signature=" + HEX,
    "password of the environment": "correct-horse-battery",
    "home folder": "/home" + "/anna/pubmed/a.txt",
    "home folder of a Mac": "/Users" + "/anna/pubmed/a.txt",
    "home folder of Windows": "C:\\Users" + "\\anna\\a.txt",
    "this home folder": f"{Path.home()}/texts",
    "folder of this machine": str(Path(__file__).resolve().parent),
    "host": f"trained on {socket.gethostname()}, yesterday",
    "user": f"{getpass.getuser()}@{socket.gethostname()}",
}
FILES = (
    *("report.html", "plots/mlm_loss.png", "model/README.md", "model/config.json"),
    *("model/tokenizer_config.json", "model/model.safetensors"),
)
# In words of a corpus the name of a host or user is a word like any other.
WORDS = ("model/tokenizer.json", "model/vocab.txt")
KEYS = ("corpus.path", "tokenizer.path", "training.init_from", "corpus.decontaminate", "task.baselines", "hub.domain")


def measure(number: int, folder: Path) -> dict:
    """Plant so many: each into a file, or into a key of the recipe; wrong is what reached the Hub or was shown."""
    folder.mkdir(parents=True)
    run = _trained(folder)
    names = [name for name in PLANTED if name not in ("host", "user")]
    places = [(name, place) for place in FILES for name in PLANTED]
    places += [(name, place) for place in WORDS for name in names]
    places += [(name, f"key {key}") for key in KEYS for name in PLANTED]
    chosen = [places[index * len(places) // number] for index in range(number)] if number < len(places) else places
    wrong = []
    for name, place in chosen:
        with _planted(run, folder / "planted", PLANTED[name], place) as planted:
            sent, printed = _push(planted)
        if why := _wrong(PLANTED[name], sent, printed):
            wrong.append(f"{name} in {place}: {why}")
    right = len(chosen) - len(wrong)
    return {"fault": "secrets and names planted", "injected": len(chosen), "right": right, "wrong": wrong}


def _trained(folder: Path) -> Path:
    text = "\n\n".join(f"Word {number} is here.\nIt is number {number} of all." for number in range(200))
    (folder / "corpus.txt").write_text(text + "\n", encoding="utf-8")
    (folder / "recipe.yaml").write_text(
        f"run_dir: {folder / 'run'}\ncorpus: {{path: {folder / 'corpus.txt'}}}\ntokenizer: {{vocab_size: 200}}\n"
        "pairs: {max_seq_length: 32}\nmodel: {num_hidden_layers: 1, hidden_size: 16, num_attention_heads: 2,"
        " intermediate_size: 16, max_position_embeddings: 32}\ntraining: {use_cpu: true, max_steps: 2,"
        " global_batch_size: 8, per_device_batch_size: 8, report_to: [], logging_steps: 1}\n",
        encoding="utf-8",
    )
    with contextlib.redirect_stdout(io.StringIO()):
        main(["run", str(folder / "recipe.yaml")])
    return folder / "run"


@contextlib.contextmanager
def _planted(run: Path, copy: Path, text: str, place: str) -> Iterator[Path]:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run, copy)
    if place.startswith("key "):
        key = place.removeprefix("key ")
        _set_in_recipe(copy / "recipe.yaml", key, text)
        record = json.loads((copy / "stages.json").read_text(encoding="utf-8"))
        for stage in record["stages"].values():
            if key in stage["settings"]:
                stage["settings"][key] = [text] if isinstance(stage["settings"][key], list) else text
        (copy / "stages.json").write_text(json.dumps(record), encoding="utf-8")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            options = ["--hub.domain", text] if key == "hub.domain" else []
            with contextlib.suppress(SystemExit):
                main(["report", str(copy), *options])
    else:
        path = copy / place
        path.write_bytes(path.read_bytes() + b"\n" + text.encode() + b"\n")
    yield copy


def _set_in_recipe(path: Path, key: str, text: str) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    section, _, name = key.partition(".")
    content[section][name] = [text] if isinstance(content[section][name], list) else text
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def _push(run: Path) -> tuple[dict[str, bytes], str]:
    """What would have been sent, and what was printed."""
    sent: dict[str, bytes] = {}

    def keep(_: object, __: str, operations: list, **___: object) -> None:
        for operation in operations:
            with operation.as_file() as file:
                sent[operation.path_in_repo] = file.read()

    answers = {
        "HfApi.create_repo": lambda *_, **__: "https://example.org/a/b",
        "HfApi.repo_info": lambda *_, **__: SimpleNamespace(private=True),
        "HfApi.list_repo_commits": lambda *_, **__: [SimpleNamespace(title="initial commit", commit_id="0" * 40)],
        "HfApi.create_commit": keep,
        "get_token": lambda: "not needed here",
    }
    printed = io.StringIO()
    with contextlib.ExitStack() as stack:
        for name, answer in answers.items():
            stack.enter_context(patch(f"huggingface_hub.{name}", answer))
        stack.enter_context(patch.dict(os.environ, {"MY_DATABASE_PASSWORD": PLANTED["password of the environment"]}))
        stack.enter_context(contextlib.redirect_stdout(printed))
        stack.enter_context(contextlib.redirect_stderr(printed))
        with contextlib.suppress(SystemExit):
            main(["push", str(run), "--repo", "a/b"])
    return sent, printed.getvalue()


def _wrong(text: str, sent: dict[str, bytes], printed: str) -> str:
    secret = text.removeprefix("trained on ").removesuffix(", yesterday")
    # The part that must not be seen: of a URL its password or signature, else all of it.
    for before, after in (("https://anna:", "@huggingface"), ("Signature=", "")):
        if before in secret:
            secret = secret.partition(before)[2].partition(after)[0] if after else secret.partition(before)[2]
    # Letters of a picture and words of the corpus may be those of a host by chance.
    word = re.compile(rb"(?<![\w/+-])" + re.escape(secret.encode()) + rb"(?![\w/+-])")
    found = [
        place
        for place, content in sent.items()
        if place not in ("vocab.txt", "tokenizer.json") and word.search(content)
    ]
    found += [place for place, content in sent.items() if len(secret) > 8 and secret.encode() in content]
    if found:
        return f"is in {found[0]} on the Hub"
    # What was sent, masked, is told in two lines: the address, and how much of it who sees.
    if "Traceback" in printed or len(printed.splitlines()) != (2 if sent else 1):
        return f"printed {printed[-150:]!r}"
    is_name = secret.startswith(("/", "C:")) or secret in socket.gethostname() or "@" in secret
    return "is shown in the message" if secret in printed and not is_name else ""


FAULTS: dict[str, Callable[[int, Path], dict]] = {"secrets and names planted": measure}
