"""Entities of raw text, beside transformers' own pipeline on the same model."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from conftest import run_script
from made_up_task import LABELS, build_config, build_tokenizer, encode_sentences, made_up_sentences
from transformers import BertConfig, pipeline

from recipe.errors import InputError
from recipe.tasks.data.entities import conlleval_entities
from recipe.tasks.finetuning.inference import predict
from recipe.tasks.finetuning.token_classifier import BertForTokenClassification
from recipe.tasks.finetuning.training import save_model
from recipe.tasks.prediction import tagger as tagger_module
from recipe.tasks.prediction.highlights import article
from recipe.tasks.prediction.tagger import Found, Tagger, sentence_spans
from recipe.tasks.prediction.texts import Text

TEXT = (
    "Aspirin carbonate was given.  The rats of renal\nfever and zinc (lithium) ended! Glucose-zinc in"
    " cells?\tAspirin\u00a0zinc."
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model with random initialisation, whose labels are therefore of all kinds."""
    tokenizer = build_tokenizer()
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {label: index for index, label in enumerate(LABELS)}}
    config = BertConfig(**{**build_config(len(tokenizer)).to_dict(), **names, "initializer_range": 0.5})
    torch.manual_seed(3)
    tokenizer.model_max_length = config.max_position_embeddings
    path = tmp_path_factory.mktemp("tagger") / "model"
    save_model(BertForTokenClassification(config), tokenizer, path)
    return path


@pytest.fixture(scope="module")
def stock(folder):
    return pipeline("token-classification", model=str(folder), aggregation_strategy="first", device="cpu")


def test_the_saved_model_is_standard_and_has_the_labels_names(folder):
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["BertForTokenClassification"]
    assert config["id2label"] == {"0": "O", "1": "B-Chemical", "2": "I-Chemical"}


def test_predictions_on_words_have_the_spans_of_the_pipeline(folder, stock):
    model = BertForTokenClassification.from_pretrained(folder)
    # The first sentence has a word without a piece, which the pipeline leaves out; longer ones do not fit the model in
    # one piece.
    sentences = [sentence for sentence in made_up_sentences("test")[1:] if len(sentence.words) <= 15]
    split = encode_sentences(sentences, build_tokenizer(), 32)
    tags = split.tags(predict(model, split.rows, 0))
    number = 0
    for sentence, found in zip(sentences, tags, strict=True):
        starts = [len(" ".join([*sentence.words[:index], ""])) for index in range(len(sentence.words))]
        ours = [
            (name, starts[first], starts[last - 1] + len(sentence.words[last - 1]))
            for first, last, name in conlleval_entities(found)
        ]
        theirs = [
            (entity["entity_group"], entity["start"], entity["end"])
            for entity in stock(sentence.words, is_split_into_words=True)[0]
        ]
        assert ours == theirs
        number += len(ours)
    assert len(sentences) > 10
    assert number > 20, "hardly any entity: the model shows nothing"


def test_raw_text_has_the_spans_of_the_pipeline(folder, stock):
    (entities,) = Tagger(folder, use_cpu=True).tag([TEXT])
    assert [(entity.type, entity.start, entity.end) for entity in entities] == [
        (theirs["entity_group"], start + theirs["start"], start + theirs["end"])
        for start, end in sentence_spans(TEXT)
        for theirs in stock(TEXT[start:end])
    ]
    scores = [float(theirs["score"]) for start, end in sentence_spans(TEXT) for theirs in stock(TEXT[start:end])]
    assert [entity.score for entity in entities] == pytest.approx(scores, abs=1e-3)
    assert len(entities) > 3
    assert all(entity.text == TEXT[entity.start : entity.end] for entity in entities)


def test_sentences_have_their_places():
    spans = sentence_spans(TEXT)
    assert [TEXT[start:end].split()[0] for start, end in spans] == ["Aspirin", "The", "Glucose-zinc", "Aspirin"]
    assert "".join(TEXT[start:end] for start, end in spans).split() != []
    assert re.sub(r"\s", "", "".join(TEXT[start:end] for start, end in spans)) == re.sub(r"\s", "", TEXT)
    assert sentence_spans(" \n") == []


def test_texts_keep_their_order_and_are_taken_in_blocks(folder, monkeypatch):
    tagger = Tagger(folder, use_cpu=True)
    sentences = [" ".join(sentence.words) for sentence in made_up_sentences("train")[:50]]
    texts = [*sentences[:20], "", " ".join(sentences[20:40]), *sentences[40:]]
    whole = list(tagger.tag(texts))
    assert whole[20] == []
    assert [next(tagger.tag([text])) for text in texts] == whole
    taken = []
    monkeypatch.setattr(tagger_module, "SENTENCES_PER_BLOCK", 4)
    found = tagger.tag(taken.append(text) or text for text in texts)
    assert next(found) == whole[0]
    assert len(taken) == 4, "texts were not taken as they were needed"
    assert [whole[0], *found] == whole


def test_a_sentence_longer_than_the_model_is_read_in_windows(folder):
    tagger = Tagger(folder, use_cpu=True)
    text = " ".join(["zinc", "carbonate", "rats"] * 40)
    (entities,) = tagger.tag([text])
    assert max(entity.end for entity in entities) > len(text) * 0.9


def test_folders_without_such_a_model_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r"absent/config\.json: is missing"):
        Tagger(tmp_path / "absent")
    shutil.copytree(folder, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(
        json.dumps({**config, "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}})
    )
    with pytest.raises(InputError, match="names the label 'LABEL_0'"):
        Tagger(tmp_path / "model")


def test_the_page_shows_the_text_and_escapes_it():
    text = Text("7", 0, "a < zinc & iron")
    page = article(text, [Found("C", 4, 8, "zinc", 0.9), Found("D", 11, 15, "iron", 0.9)], ["C", "D"])
    assert re.sub(r"<span>[CD]</span>", "", page).replace("</mark>", "").count("<mark style=") == 2
    assert re.sub("<[^>]*>", "", page) == "7a &lt; zincC &amp; ironD\n"


def test_the_script_writes_json_lines_or_a_page(folder, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text(TEXT + "\n\nzinc.\n", encoding="utf-8")
    done = run_script("predict", str(folder), str(path), "--use_cpu")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["id"] for line in lines] == ["0", "1"]
    assert lines[0]["text"] == TEXT
    assert [TEXT[entity["start"] : entity["end"]] for entity in lines[0]["entities"]] == [
        entity["text"] for entity in lines[0]["entities"]
    ]
    assert lines[0]["entities"]
    assert re.search(r"19 words in .* words/s", done.stderr)
    page = run_script("predict", str(folder), str(path), "--use_cpu", "--html").stdout
    assert page.startswith("<!doctype html>")
    assert page.count("<article>") == 2


@pytest.mark.parametrize("options", [(), ("--html",)])
def test_input_without_a_text_gives_one_line_and_no_output(folder, tmp_path, options):
    (tmp_path / "empty.xml").write_text("<?xml version='1.0'?><html/>")
    done = run_script("predict", str(folder), str(tmp_path / "empty.xml"), "--use_cpu", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "empty.xml: has the root element <html>; " in done.stderr


def test_mentions_of_a_file_with_a_byte_order_mark_are_where_they_are_said_to_be(folder, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.encode() + b"\n\nZinc [MASK] aspirin.\n")
    content = (tmp_path / "a.txt").read_text(encoding="utf-8")
    done = run_script("predict", str(folder), str(tmp_path / "a.txt"), "--use_cpu")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["offset"] for line in lines] == [1, content.index("Zinc [MASK]")]
    mentions = [(line["offset"], entity) for line in lines for entity in line["entities"]]
    assert len(mentions) > 3
    for offset, entity in mentions:
        assert content[offset + entity["start"] : offset + entity["end"]] == entity["text"]


def test_the_script_refuses_in_one_line(folder, tmp_path):
    for words, part in (
        ((str(folder), "absent.txt"), "absent.txt: cannot be read"),
        ((str(tmp_path), __file__), "config.json: is missing"),
    ):
        done = run_script("predict", *words)
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = [line for line in done.stderr.splitlines() if line]
        assert line.startswith("error: ")
        assert part in line
