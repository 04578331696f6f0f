"""Every path, command and make target in README.md and docs/ is real, and README is in plain English."""

import dataclasses
import importlib.util
import re
import shlex
import statistics
import types

import pytest
import yaml
from conftest import ROOT

from recipe.cli import COMMANDS, main

README = (ROOT / "README.md").read_text()
DOCUMENTS = {"README.md": README} | {f"docs/{path.name}": path.read_text() for path in (ROOT / "docs").glob("*.md")}
PICTURES = {f"docs/{path.name}": path.read_text() for path in (ROOT / "docs").glob("*.svg")}
PLACE = re.compile(r"(?<![\w/.])(?:scripts|configs|docs|benchmarks|recipe|tests)/[\w./-]*\w")
# What decisions.md tells of the past may name what is gone since.
PATHS = sorted(
    {
        (name, place)
        for name, text in (DOCUMENTS | PICTURES).items()
        if name != "docs/decisions.md"
        for place in PLACE.findall(text)
    }
)
LINKS = [(name, link) for name, text in DOCUMENTS.items() for link in re.findall(r"\]\(([^)#]+)\)", text)]
BLOCKS = [
    (name, language, block)
    for name, text in DOCUMENTS.items()
    for language, block in re.findall(r"```(\w*)\n(.*?)```", text, re.S)
]
CALLS = sorted(
    {
        command
        for _, language, block in BLOCKS
        if not language
        for command in block.replace("\\\n", " ").strip().splitlines()
        if "scripts/" in command or command.startswith("domain-bert ")
    }
)
TARGETS = sorted({target for text in DOCUMENTS.values() for target in re.findall(r"`make ([a-z-]+)`", text)})


@pytest.mark.parametrize(("document", "path"), PATHS)
def test_path_exists(document, path):
    assert (ROOT / path).exists() or (ROOT / f"{path}.py").exists()


@pytest.mark.parametrize(("document", "link"), [entry for entry in LINKS if "://" not in entry[1]])
def test_link_leads_somewhere(document, link):
    assert ((ROOT / document).parent / link).exists()


def test_every_decision_stands_in_the_index():
    text = DOCUMENTS["docs/decisions.md"]
    headings = re.findall(r"^## (.+)$", text, re.M)
    anchors = ["#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert re.findall(r"\]\((#[^)]+)\)", text) == anchors


@pytest.mark.parametrize("call", CALLS)
def test_command_takes_its_arguments(call, monkeypatch):
    """Each command is run up to the point where it would begin its work."""
    words = shlex.split(call.split(" > ")[0])
    if words[0] == "accelerate":
        assert (ROOT / words[words.index("--config_file") + 1]).is_file()
    script = next((word for word in words if word.startswith("scripts/")), None)
    if script is not None:
        assert words[0] in ("python", "accelerate", "torchrun")
        name = re.search(r'main\(\["([a-z-]+)"', (ROOT / script).read_text())[1]
        arguments = words[words.index(script) + 1 :]
    else:
        name, arguments = words[1], words[2:]
    ran = []
    monkeypatch.chdir(ROOT)
    command = dataclasses.replace(COMMANDS[name], call=lambda *values, **options: ran.append(name))
    monkeypatch.setitem(COMMANDS, name, command)
    monkeypatch.setattr("recipe.cli._finetune", lambda arguments: ran.append(name))
    monkeypatch.setattr("recipe.cli.parse_run", lambda parser, arguments: (ran.append(name), {}))
    # The recipe of the examples is one that `domain-bert init` would have written.
    main([name, *("demo" if word == "my-bert.yaml" and name != "init" else word for word in arguments)])
    assert ran


@pytest.mark.parametrize("target", TARGETS)
def test_make_target_exists(target):
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), re.M)


@pytest.mark.parametrize("block", [block for _, language, block in BLOCKS if language == "python"])
def test_python_compiles_and_imports_what_is_there(block):
    compile(block, "document", "exec")
    for line in re.findall(r"^from recipe.*$", block, re.M):
        exec(line, {})


def test_the_site_has_every_page_once():
    def pages(entries: list) -> list[str]:
        return [
            page
            for entry in entries
            for value in entry.values()
            for page in ([value] if isinstance(value, str) else pages(value))
        ]

    # Tags such as !!python are for extensions that this site does not use.
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert sorted(f"docs/{page}" for page in pages(navigation)) == sorted(DOCUMENTS.keys() - {"README.md"})


def prose_of(text: str) -> list[str]:
    """The paragraphs and list entries of a document, without tables, code and headings."""
    text = re.sub(r"```.*?```|<!--.*?-->\n", "", text, flags=re.S)
    paragraphs = []
    for block in re.split(r"\n\s*\n", text):
        if not re.match(r"\s*(#|\||!\[)", block):
            paragraphs += [" ".join(part.split()) for part in re.split(r"\n- |^- ", block) if part.strip()]
    return paragraphs


def test_sentences_of_the_readme_are_short():
    sentences = [sentence for text in prose_of(README) for sentence in re.split(r"(?<=[.:;!?])\s+", text)]
    assert not [sentence for sentence in sentences if len(sentence.split()) > 30]


def test_paragraphs_of_the_readme_are_short():
    words = [len(text.split()) for text in prose_of(README)]
    assert statistics.median(words) <= 40
    assert max(words) <= 80


def test_no_machine_path_stands_in_the_tree():
    for folder in ("recipe", "scripts", "configs", "docs"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".md", ".yaml", ".j2"):
                assert not re.search(r"/(work|root|home)/\w", path.read_text()), path


def test_the_site_has_every_page():
    text = (ROOT / "mkdocs.yml").read_text()
    pages = {f"docs/{page}" for page in re.findall(r": ([\w-]+\.md)$", text, re.M)}
    assert pages == {name for name in DOCUMENTS if name != "README.md"}


@pytest.mark.parametrize(
    ("page", "text", "expected"),
    [
        ("index.md", "[more](docs/tasks.md)", "[more](tasks.md)"),
        ("index.md", "![a picture](docs/pipeline.svg)", "![a picture](pipeline.svg)"),
        ("index.md", "[table](benchmarks/results/faults.md)", "table (`benchmarks/results/faults.md`)"),
        ("index.md", "[out](https://example.org/a)", "[out](https://example.org/a)"),
        ("tasks.md", "[see](pairs.md#pairs), [below](#here)", "[see](pairs.md#pairs), [below](#here)"),
        ("tasks.md", "[changes](../CHANGELOG.md)", "[changes](changelog.md)"),
    ],
)
def test_links_of_the_site_stay_inside_of_it(monkeypatch, page, text, expected):
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    monkeypatch.setattr(hooks, "ELSEWHERE", {"changelog.md": "CHANGELOG.md"})
    file = types.SimpleNamespace(src_uri=page)
    folder = "." if page == "index.md" else "docs"
    found = hooks.LINK.sub(lambda link: hooks._in_site(link, folder), text)
    assert found == expected
    assert hooks.on_page_markdown("# A", types.SimpleNamespace(file=file), None, None) == "# A"
