"""Kinds of bad input: recipes, values, command lines, variables, texts, and what stands where a file belongs."""

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Text of a recipe, each refused before anything is read from the corpus.
RECIPES: dict[str, bytes] = {
    "a key twice": b"seed: 1\nseed: 2\n",
    "a key of a section twice": b"pairs:\n  num_proc: 1\n  num_proc: 2\n",
    "a section twice": b"pairs:\n  num_proc: 1\npairs:\n  dupe_factor: 2\n",
    "a key twice in braces": b"pairs: {num_proc: 1, num_proc: 2}\n",
    "a key in its section and at the top": b"pairs:\n  num_proc: 1\npairs.num_proc: 2\n",
    "sexagesimal": b"training:\n  max_steps: 1:30\n",
    "sexagesimal with hours": b"training:\n  max_steps: 1:30:00\n",
    "octal": b"training:\n  max_steps: 017\n",
    "octal of YAML 1.2": b"training:\n  max_steps: 0o17\n",
    "hexadecimal": b"seed: 0x1F\n",
    "binary number": b"seed: 0b11\n",
    "a date": b"seed: 2024-01-01\n",
    "a time": b"seed: 2024-01-01T10:00:00Z\n",
    "yes for true": b"training:\n  bf16: yes\n",
    "off for false": b"training:\n  bf16: off\n",
    "on for true": b"training: {bf16: on}\n",
    "n for false": b"training: {bf16: n}\n",
    "1 for true": b"training: {bf16: 1}\n",
    "true in quotes": b"training: {bf16: 'true'}\n",
    "null for a number": b"seed: null\n",
    "~ for a number": b"seed: ~\n",
    "nothing for a number": b"seed:\n",
    "null for a text": b"run_dir: ~\n",
    "an empty run_dir": b"run_dir: ''\n",
    "a run_dir of blanks": b"run_dir: '  '\n",
    "nan": b"training:\n  learning_rate: .nan\n",
    "NaN": b"training:\n  learning_rate: NaN\n",
    "inf": b"training:\n  max_grad_norm: .inf\n",
    "an infinite number": b"training:\n  max_grad_norm: 1e999\n",
    "an infinite whole number": b"training:\n  max_steps: 1e999\n",
    "a number of 400 digits": b"seed: " + b"9" * 400 + b"\n",
    "a number of 5,000 digits": b"seed: " + b"9" * 5000 + b"\n",
    "a float of 400 digits": b"training:\n  max_grad_norm: " + b"9" * 400 + b"\n",
    "thousands with a comma": b"training:\n  max_steps: 1,000\n",
    "thousands with blanks": b"training:\n  max_steps: 1 000\n",
    "a unit": b"training:\n  max_steps: 10k\n",
    "a percentage": b"pairs:\n  nsp_probability: 50%\n",
    "a fraction": b"pairs:\n  nsp_probability: 1/2\n",
    "a decimal comma": b"training:\n  learning_rate: 0,1\n",
    "underscores twice": b"seed: 1__0\n",
    "a sum": b"seed: 1 + 1\n",
    "a tag of Python": b"seed: !!python/object/apply:os.system ['true']\n",
    "a tag of a number": b"seed: !!int 017\n",
    "a tag of bytes": b"run_dir: !!binary aGVsbG8=\n",
    "a tag of a set": b"pairs: !!set {a, b}\n",
    "a tag of one's own": b"seed: !x 1\n",
    "an alias": b"seed: &a 1\nrun_dir: *a\n",
    "an alias of nothing": b"seed: *a\n",
    "an alias of itself": b"corpus: &a\n  path: *a\n",
    "a merge key": b"corpus: &a {path: x}\npairs:\n  <<: *a\n",
    "a merge key without an alias": b"pairs:\n  <<: {num_proc: 1}\n",
    "a billion laughs": b"a: &a [x, x]\n"
    + b"".join(b"%c: &%c [*%c, *%c]\n" % (i + 1, i + 1, i, i) for i in range(97, 121)),
    "a list": b"- a\n- b\n",
    "a word": b"hello\n",
    "a number": b"3\n",
    "a list where a number is expected": b"seed: [1, 2]\n",
    "a list where a text is expected": b"run_dir: [a, b]\n",
    "a list in a list": b"corpus:\n  path: [[a]]\n",
    "an object where a number is expected": b"seed: {a: 1}\n",
    "an object in a list": b"corpus:\n  path: [{a: 1}]\n",
    "a section that is a text": b"corpus: texts/*.txt\n",
    "a section that is a list": b"corpus:\n  - path: x\n",
    "a key that is a number": b"1: 2\n",
    "a key that is null": b"null: 2\n",
    "a key that is true": b"true: 2\n",
    "a key that is a list": b"? [a, b]\n: 2\n",
    "a key of a section that is a number": b"corpus:\n  1: x\n",
    "an empty key": b"'': 1\n",
    "an unknown key": b"pairs:\n  max_seq_len: 3\n",
    "an unknown section": b"pear:\n  max_seq_length: 3\n",
    "a key with dashes": b"pairs:\n  max-seq-length: 3\n",
    "a key in capitals": b"pairs:\n  MAX_SEQ_LENGTH: 3\n",
    "a section in capitals": b"Pairs:\n  max_seq_length: 3\n",
    "a key in the wrong section": b"model:\n  max_seq_length: 3\n",
    "a key without its section": b"max_seq_length: 3\n",
    "a value in the wrong case": b"corpus:\n  format: JSONL\n",
    "a tab before a key": b"pairs:\n\tnum_proc: 1\n",
    "tabs and blanks": b"pairs:\n  num_proc: 1\n\tdupe_factor: 1\n",
    "an uneven indent": b"pairs:\n  num_proc: 1\n   dupe_factor: 1\n",
    "no blank after the colon": b"seed:1\n",
    "two colons": b"seed: 1: 2\n",
    "an open quote": b"run_dir: 'x\n",
    "an open bracket": b"corpus:\n  path: [a, b\n",
    "an open brace": b"pairs: {num_proc: 1\n",
    "two documents": b"seed: 1\n---\nseed: 2\n",
    "a percent sign first": b"%seed: 1\n",
    "an at sign": b"run_dir: @x\n",
    "a backquote": b"run_dir: `x`\n",
    "deep nesting": b"a: " + b"[" * 100_000 + b"]" * 100_000,
    "deep nesting of mappings": b"".join(b" " * i + b"a:\n" for i in range(500)),
    "deep braces": b"{a: " * 5000,
    "UTF-16": "seed: 1\n".encode("utf-16"),
    "UTF-16, big-endian": b"\xfe\xff" + "seed: 1\n".encode("utf-16-be"),
    "UTF-16 without a mark": "seed: 1\n".encode("utf-16-le"),
    "Latin-1": "hub:\n  domain: Médecine\n".encode("latin-1"),
    "random bytes": bytes(range(256)) * 8,
    "zero bytes": b"\x00" * 4096,
    "gzip": b"\x1f\x8b\x08\x00" + bytes(range(128, 256)),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "JSON cut short": b'{"seed": 1, "pairs": {',
    "XML": b"<?xml version='1.0'?><recipe><seed>1</seed></recipe>",
    "Python": b"seed = 1\nrun_dir = 'x'\n",
    "INI": b"[pairs]\nnum_proc = 1\n",
    "a control character": b"run_dir: a\x07b\n",
    "a zero byte in quotes": b'run_dir: "a\\0b"\n',
    "a line break in a path": b'corpus:\n  path: "a\\nb"\n',
    "an escape code in a domain": b'hub:\n  domain: "\\e[31mred"\n',
    "half a character": b'run_dir: "\\ud800"\n',
    "carriage returns and a wrong key": b"seed: 1\r\npears: 2\r\n",
    "a mark of byte order and a wrong key": b"\xef\xbb\xbfpears: 2\n",
    "a huge file": b"# x\n" * 1_000_000,
    "one long line": b"run_dir: " + b"x" * 1_500_000,
    "a long value of a wrong kind": b"seed: " + b"x" * 500_000,
    "a long list of a wrong kind": b"seed: [" + b"1, " * 100_000 + b"1]",
}
# Values of keys on the command line.
VALUES = (
    *("training.max_steps=0", "training.max_steps=-1", "training.max_steps=1.5", "training.max_steps=ten"),
    *("training.max_steps=", "training.max_steps=1e999", "training.max_steps=1e300", "training.max_steps=017"),
    *("training.max_steps=1:30", "training.max_steps=[1]", "training.max_steps={a: 1}", "training.max_steps=*x"),
    *("training.max_steps=99999999999", "training.max_steps=9" + "9" * 5000, "training.max_steps=[[[[[[[[[[1"),
    *("training.learning_rate=-1", "training.learning_rate=11", "training.learning_rate=nan"),
    *("training.learning_rate=inf", "training.learning_rate=1e999", "training.learning_rate=0,1"),
    *("training.global_batch_size=0", "training.global_batch_size=1000000000", "training.global_batch_size=100"),
    *("training.per_device_batch_size=0", "training.dataloader_num_workers=1000", "training.dropout=1"),
    *("training.lr_scheduler_type=Linear", "training.lr_scheduler_type=", "training.bf16=yes", "training.bf16=1"),
    *("training.report_to=wandbb", "training.report_to=[tensorboard, x]", "training.init_from=no/such"),
    *("training.init_from=/dev/null", "training.adam_epsilon=0", "training.save_total_limit=0"),
    *("training.warmup_share=2", "training.save_steps=0", "training.eval_pairs=0"),
    *("model.hidden_size=100000000", "model.hidden_size=0", "model.hidden_size=65", "model.num_hidden_layers=1001"),
    *("model.intermediate_size=2000000000", "model.vocab_size=2000000000", "model.vocab_size=1"),
    *("model.vocab_size=64", "model.max_position_embeddings=8", "model.max_position_embeddings=1000000"),
    *("model.num_attention_heads=0", "model.num_attention_heads=7", "model.decoder_bias=one"),
    *("pairs.max_seq_length=1", "pairs.max_seq_length=100000", "pairs.nsp_probability=1.5", "pairs.truncation=tail"),
    *("pairs.max_shard_size=5", "pairs.max_shard_size=-1GB", "pairs.num_proc=0", "pairs.dupe_factor=0"),
    *("masking.mlm_probability=0", "masking.random_replace_prob=0.9", "masking.mask_replace_prob=nan"),
    *(
        "tokenizer.vocab_size=5",
        "tokenizer.vocab_size=99999999999",
        "tokenizer.path=no/such",
        "tokenizer.path=/dev/zero",
    ),
    *("tokenizer.unused_tokens=29000", "tokenizer.compare_with=no/such", "tokenizer.lowercase=no"),
    *("corpus.path=no/such.txt", "corpus.path=no/*.txt", "corpus.path=/dev/zero", "corpus.path=/dev/stdin"),
    *("corpus.path=nosuch://a/b.txt", "corpus.path=memory://nothing/a.txt", "corpus.path=[]", "corpus.path="),
    *("corpus.path=file:///no/such.txt", "corpus.path=hub:x?splitt=y", "corpus.path=" + "x" * 300 + ".txt"),
    *("corpus.path=" + "x/" * 3000, "corpus.path=~nobody-here/a.txt", "corpus.decontaminate=no/such"),
    *("corpus.format=text", "corpus.language=english", "corpus.language=xx", "corpus.sentence_splitter=nltk"),
    *("corpus.errors=ignore", "corpus.unicode=nfc", "corpus.validation_share=0"),
    *("corpus.validation_share=1", "corpus.near_duplicates=1.5", "corpus.min_document_words=0"),
    *("corpus.prepared_from=no/such", "corpus.prepared_from=/dev/null"),
    *("task.name=bc5-chm", "task.name=no/such", "task.name=/dev/null", "task.seeds=[]", "task.seeds=[1, 1]"),
    *("task.data=x", "task.learning_rate=[]", "task.batch_size=0", "task.num_train_epochs=0"),
    *("task.selection_seeds=1000000000", "hub.language=english"),
    *("seed=-1", "seed=2147483648", "seed=1.5", "seed=true", "seed=null", "run_dir=", "run_dir=null"),
)
# Whole command lines; CONFIG is a recipe that works.
LINES = (
    *("pretrian CONFIG", "Run CONFIG", "--versoin", "-x", "run", "run --seed", "run CONFIG --seed", "run CONFIG -x"),
    *("run CONFIG --sed 3", "run CONFIG --SEED 3", "run CONFIG --max_steps 3", "run CONFIG --training.max-step 3"),
    *("run CONFIG --until", "run CONFIG --until pair", "run CONFIG --untl pairs", "run CONFIG --seed 1 --sead 2"),
    *("run CONFIG --seed=1 --seed=x", "corpus CONFIG CONFIG", "run no-such", "run /dev/null/x", "run ."),
    *("run CONFIG no-such", "run CONFIG CONFIG --run_dir x", "pretrain CONFIG extra", "status", "status no/such"),
    *("status .", "status /dev/null", "status CONFIG", "report no/such", "report . --hub.domain x", "push no/such"),
    *(
        "push . --repo a/b",
        "push",
        "push . --repo",
        "push . --privat",
        "predict",
        "predict no/such",
        "predict . CONFIG",
    ),
    *("predict no/such CONFIG", "compare", "compare a", "compare no/such no/such", "compare . . --samples x"),
    *("compare . . --sample 3", "blurb", "blurb no/such", "blurb .", "blurb CONFIG", "get-task", "get-task bc5-chm"),
    *("get-task bc5-chem --outptu x", "get-task gad --base_url", "inspect-tokenizer", "inspect-tokenizer no/such"),
    *("inspect-tokenizer no/such --text CONFIG", "inspect-tokenizer . --text CONFIG", "init", "init x.yaml"),
    *(
        "init CONFIG --corpus x",
        "init x.yaml --corpus x --size huge",
        "init x.yaml --corpora x",
        "cluster CONFIG --tasks x",
    ),
    *("cluster CONFIG --tasks 0", "cluster CONFIG --executor sge", "cluster CONFIG --partition x", "cluster"),
    *("finetune --model", "finetune --model no/such", "finetune --model no/such --task bc5-chm"),
    *(
        "finetune --model . --task no/such",
        "finetune --model . --taks x",
        "finetune CONFIG",
        "finetune CONFIG --model",
    ),
    *("finetune --model . --task x --protocol blub", "finetune --model . --task x --seeds=[1,1]"),
    *("finetune --model . --task x --shard 3", "evaluate", "tokenizer no-such", "pairs CONFIG --pairs.dupe 3"),
)
# Variables of launchers that no launcher sets alone, or so.
GROUP = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
ENVIRONMENTS: tuple[dict[str, str], ...] = (
    *({"RANK": "1"}, {"RANK": "0"}, {"RANK": "x"}, {"RANK": ""}, {"RANK": "-1"}, {"WORLD_SIZE": "2"}),
    *({"WORLD_SIZE": "two"}, {"WORLD_SIZE": "0"}, {"WORLD_SIZE": "1.0"}, {"LOCAL_RANK": "0"}, {"LOCAL_RANK": "1"}),
    *({"RANK": "0", "WORLD_SIZE": "2"}, {"RANK": "1", "WORLD_SIZE": "1"}, {"LOCAL_WORLD_SIZE": "2"}),
    *({**GROUP, "RANK": "2"}, {**GROUP, "MASTER_PORT": "x"}, {**GROUP, "MASTER_PORT": "99999"}),
    *({**GROUP, "LOCAL_RANK": "2"}, {**GROUP, "WORLD_SIZE": "9" * 30}, {**GROUP, "MASTER_ADDR": ""}, GROUP),
    *({"OMPI_COMM_WORLD_SIZE": "2"}, {"PMI_SIZE": "4"}, {"MV2_COMM_WORLD_SIZE": "2"}, {"SLURM_STEP_NUM_TASKS": "2"}),
)
CORPORA: dict[str, bytes] = {
    "empty.txt": b"",
    "blank.txt": b" \n\n \n",
    "latin.txt": "Médecine générale.\n".encode("latin-1"),
    "cut.txt.gz": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b",
    "wrong.txt.gz": b"not gzip",
    "wrong.txt.zst": b"not zstd",
    "wrong.parquet": b"PAR1 not parquet PAR1",
    "wrong.jsonl": b'{"text": 1}\n{"text"\n',
    "other.jsonl": b'{"body": "x"}\n',
    "wrong.xml": b"<PubmedArticleSet><PubmedArticle>",
    "html.xml": b"<html><body>x</body></html>",
    "wrong.csv": b"a,b\n1,2\n",
    "notes.docx": b"PK\x03\x04",
}


@dataclass(frozen=True)
class Case:
    """One bad input: arguments of the command line and variables of the environment."""

    name: str
    arguments: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def cases(folder: Path) -> Iterator[Case]:
    """All kinds, with the files that they need made in a folder."""
    text = "\n\n".join(f"Word {number} is here.\nIt is number {number}." for number in range(40))
    (folder / "corpus.txt").write_text(text + "\n", encoding="utf-8")
    good = folder / "good.yaml"
    shape = "num_hidden_layers: 1, hidden_size: 64, num_attention_heads: 2, intermediate_size: 64"
    good.write_text(
        f"run_dir: {folder / 'run'}\ncorpus: {{path: {folder / 'corpus.txt'}}}\nmodel: {{{shape}}}\n"
        "training: {use_cpu: true, global_batch_size: 64}\n",
        encoding="utf-8",
    )
    for number, (name, content) in enumerate(RECIPES.items()):
        path = folder / f"recipe-{number}.yaml"
        path.write_bytes(content)
        yield Case(f"recipe: {name}", ["run", str(path)])
    for value in VALUES:
        yield Case(f"value: {value[:60]}", ["run", str(good), f"--{value}"])
    for line in LINES:
        yield Case(f"line: {line}", [str(good) if word == "CONFIG" else word for word in line.split()])
    for environment in ENVIRONMENTS:
        yield Case(f"environment: {environment}", ["run", str(good)], environment)
    for name, content in CORPORA.items():
        (folder / name).write_bytes(content)
        yield Case(f"corpus: {name}", ["corpus", str(good), f"--corpus.path={folder / name}"])
    yield from _special_files(folder, str(good))
    yield from _links_and_folders(folder, str(good))


def _special_files(folder: Path, good: str) -> Iterator[Case]:
    """Named pipes, sockets and devices in the place of every file that is opened by its name."""
    makers: dict[str, Callable[[Path], object]] = {
        "pipe": os.mkfifo,
        "socket": _make_socket,
        "device": lambda path: path.symlink_to("/dev/zero"),
    }
    for kind, make in makers.items():
        inside = folder / kind
        for below in ("texts", "task", "tokenizer", "model", "results/bc5-chem/x/y"):
            (inside / below).mkdir(parents=True)
        for name in ("recipe.yaml", "a.txt", "texts/b.txt", "task/train.tsv", "tokenizer/tokenizer.json",
                     "model/config.json", "results/bc5-chem/x/y/result.json"):  # fmt: skip
            make(inside / name)
        lines = {
            "recipe": ["run", f"{inside}/recipe.yaml"],
            "corpus": ["run", good, f"--corpus.path={inside}/a.txt"],
            "corpus by a pattern": ["run", good, f"--corpus.path={inside}/*.txt"],
            "corpus by a folder": ["run", good, f"--corpus.path={inside}/texts"],
            "tokenizer": ["run", good, f"--tokenizer.path={inside}/tokenizer"],
            "decontaminate": ["run", good, f"--corpus.decontaminate={inside}/a.txt"],
            "decontaminate by a folder": ["run", good, f"--corpus.decontaminate={inside}/task"],
            "task": ["run", good, f"--task.name={inside}/task"],
            "init_from": ["run", good, f"--training.init_from={inside}/model"],
            "run folder": ["status", str(inside)],
            "input of predict": ["predict", str(inside / "model"), f"{inside}/a.txt"],
            "results": ["blurb", f"{inside}/results"],
            "results to compare": ["compare", *[f"{inside}/results/bc5-chem/x/y"] * 2],
            "model to fine-tune": ["finetune", "--model", f"{inside}/model", "--task", "embedded:nero"],
            "tokenizer to inspect": ["inspect-tokenizer", f"{inside}/tokenizer", "--text", f"{folder}/corpus.txt"],
        }
        for name, arguments in lines.items():
            yield Case(f"{kind}: {name}", arguments)


def _make_socket(path: Path) -> None:
    # By its last part, since the name of a socket has 100 letters at most.
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(before)


def _links_and_folders(folder: Path, good: str) -> Iterator[Case]:
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "directory.txt").mkdir()
    for name in ("loop", "dangling", "directory.txt", "x" * 300, "corpus.txt/below"):
        path = folder / name
        yield Case(f"recipe is {name[:20]}", ["run", str(path)])
        yield Case(f"corpus is {name[:20]}", ["run", good, f"--corpus.path={path}"])
        yield Case(f"tokenizer is {name[:20]}", ["run", good, f"--tokenizer.path={path}"])
        yield Case(f"input of predict is {name[:20]}", ["predict", str(folder), str(path)])
