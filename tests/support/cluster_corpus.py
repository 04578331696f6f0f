"""A corpus of many kinds of files in which every filter has something to do across files, for the cluster's tests."""

import gzip
import json
import random
from pathlib import Path

SETTINGS = {
    "corpus.unicode": "NFKC",
    "corpus.errors": "replace",
    "corpus.script": "latin",
    "corpus.max_sentence_words": "40",
    "corpus.min_document_words": "4",
    "corpus.near_duplicates": "0.6",
}
DRAW_WORDS = ["".join(random.Random(seed).choices("abcdefghijklmnop", k=3 + seed % 8)) for seed in range(300)]


def sentence(draw: random.Random, words: int = 18) -> str:
    return " ".join(draw.choices(DRAW_WORDS, k=words)).capitalize() + "."


def record(pmid: int, draw: random.Random, version: int = 1, abstract: str | None = None) -> str:
    text = " ".join(sentence(draw) for _ in range(4)) if abstract is None else abstract
    body = f"<Abstract><AbstractText>{text}</AbstractText></Abstract>" if text else ""
    article = f"<Article><ArticleTitle>{sentence(draw, 7)}</ArticleTitle>{body}</Article>"
    return (
        "<PubmedArticle><MedlineCitation><PMID"
        f' Version="{version}">{pmid}</PMID>{article}</MedlineCitation></PubmedArticle>'
    )


def write_mixed_corpus(folder: Path) -> dict[str, str]:
    """Fill folder/in and folder/task.tsv; returns the settings of the corpus."""
    draw = random.Random(5)
    (folder / "in").mkdir(parents=True)
    task = [sentence(draw) for _ in range(6)]
    (folder / "task.tsv").write_text("".join("".join(f"{word}\tO\n" for word in text.split()) + "\n" for text in task))
    documents = [[sentence(draw) for _ in range(draw.randint(1, 7))] for _ in range(90)]
    copies = [*documents[3:9], [*documents[12], sentence(draw, 3)]]
    # Removed by its task sentence, and its copy before that by its text.
    leaked = [[sentence(draw), task[0], sentence(draw)], [sentence(draw), task[1].upper()]]
    odd = [
        ["Two words."],
        ["Кириллица и только она стоит тут."],
        [sentence(draw), "Copyright 2001 Elsevier."],
        [sentence(draw, 60)],
        ["© 2001 X and Y."],
    ]
    _write_text(folder / "in" / "a.txt", documents[:40] + leaked[:1] + odd[:2])
    _write_text(folder / "in" / "b.txt.gz", copies + leaked + odd[2:] + documents[40:60])
    (folder / "in" / "bad.txt").write_bytes(
        b"Here is \xff a bad byte of some kind.\n\nAnd here\xc2\xa0is \xef\xac\x81ne\xe2\x80\x8b text of it."
    )
    rows = [{"text": " ".join(text)} for text in documents[60:] + documents[:5]]
    (folder / "in" / "c.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in [*rows, {"text": None}, {"text": " "}])
    )
    _write_records(folder / "in", draw)
    for name, records in _pubmed_files(draw, documents).items():
        (folder / "in" / name).write_bytes(
            gzip.compress(f"<PubmedArticleSet>{records}</PubmedArticleSet>".encode(), mtime=0)
        )
    return {**SETTINGS, "corpus.decontaminate": str(folder / "task.tsv")}


def _write_records(folder: Path, draw: random.Random) -> None:
    """A table, an array with nulls and lists of paragraphs, and BioC with sentences."""
    texts = [f"{sentence(draw)} {sentence(draw)}" for _ in range(12)]
    (folder / "d.csv").write_text("text,n\r\n" + "".join(f'"{text}\r\n\r\n{text[:40]}",1\r\n' for text in texts[:3]))
    rows: list[object] = [{"text": [texts[3], None, texts[4]]}, {"text": []}, None, {"text": [sentence(draw)] * 2}]
    (folder / "e.json").write_text(json.dumps(rows))
    passages = [{"infons": {}, "sentences": [{"text": sentence(draw)} for _ in range(3)]}, {"infons": {}}]
    (folder / "f.json").write_text(json.dumps({"PubTator3": [{"id": "7", "passages": passages}]}))
    (folder / "g.txt").write_bytes(b"\r".join(text.encode() for text in [texts[5], "", texts[6], sentence(draw, 50)]))
    (folder / "h.txt").write_bytes(b"\n")


def _pubmed_files(draw: random.Random, documents: list[list[str]]) -> dict[str, str]:
    """Versions and deletions over three files, and an abstract that is another file's text."""
    first = "".join(record(number, draw) for number in range(1, 13)) + record(90, draw, abstract="")
    second = (
        record(3, draw, version=2)
        + record(4, draw)
        + record(20, draw, abstract=" ".join(documents[15]))
        + record(21, draw)
    )
    third = (
        record(3, draw)
        + "<DeleteCitation><PMID>5</PMID><PMID>21</PMID></DeleteCitation>"
        + record(5, draw)
        + record(22, draw)
    )
    return {"p1.xml.gz": first, "p2.xml.gz": second, "p3.xml.gz": third}


def _write_text(path: Path, documents: list[list[str]]) -> None:
    text = "\n\n".join("\n".join(lines) for lines in documents).encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
