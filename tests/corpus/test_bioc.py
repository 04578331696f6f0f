"""BioC in its forms: passages with a text or with sentences, collections, wrappers, lines, lists and XML."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipe.config import CorpusConfig
from recipe.corpus import RawDocument, read_raw_documents
from recipe.errors import InputError


def read(path, **keys) -> tuple[list[RawDocument], Counter]:
    counts: Counter = Counter()
    return list(read_raw_documents(CorpusConfig(path=[str(path)], **keys), counts)), counts


def passage(kind: str, section: str, *sentences: str, text: str | None = None) -> dict:
    split = [{"offset": 0, "infons": {}, "text": sentence, "annotations": []} for sentence in sentences]
    found = {"offset": 0, "infons": {"type": kind, "section_type": section}, "sentences": split}
    return found if text is None else {**found, "text": text}


def document(number: int) -> dict:
    return {
        "id": str(number),
        "infons": {},
        "passages": [
            passage("title", "TITLE", text=f"Title {number}"),
            passage("abstract", "ABSTRACT", "One of E. coli.", "Mr. X. Two."),
            passage("paragraph", "INTRO", "Three."),
            passage("ref", "REF", text="A reference."),
            passage("paragraph", "INTRO"),
        ],
    }


DOCUMENTS = [document(1), document(2)]
COLLECTION = {"source": "PMC", "date": "", "key": "", "infons": {}, "documents": DOCUMENTS}
FORMS = {
    "collection": ("a.json", json.dumps(COLLECTION)),
    "indented collection": ("a.json", json.dumps(COLLECTION, indent=1)),
    "list of documents": ("a.json", json.dumps(DOCUMENTS, indent=1)),
    "list of collections": ("a.json", json.dumps([COLLECTION])),
    "PubTator3": ("a.json", json.dumps({"PubTator3": DOCUMENTS})),
    "another wrapper": ("a.json", json.dumps({"collection": COLLECTION})),
    "a wrapper with notes": ("a.json", json.dumps({"total": 2, "results": DOCUMENTS}, indent=1)),
    "lines": ("a.json", "\n".join(map(json.dumps, DOCUMENTS))),
    "lines called so": ("a.jsonl", "\r\n".join(map(json.dumps, DOCUMENTS))),
    "lines of collections": ("a.ndjson", json.dumps(COLLECTION)),
}


def as_xml() -> str:
    def of(passage: dict) -> str:
        infons = "".join(f'<infon key="{key}">{value}</infon>' for key, value in passage["infons"].items())
        texts = f"<text>{passage['text']}</text>" if "text" in passage else ""
        texts += "".join(f"<sentence><text>{entry['text']}</text></sentence>" for entry in passage["sentences"])
        return f"<passage>{infons}<offset>0</offset>{texts}</passage>"

    documents = "".join(
        f"<document><id>{entry['id']}</id>{''.join(map(of, entry['passages']))}</document>" for entry in DOCUMENTS
    )
    return f'<?xml version="1.0"?><!DOCTYPE collection SYSTEM "BioC.dtd"><collection>{documents}</collection>'


@pytest.mark.parametrize("form", [*FORMS, "XML"])
def test_all_forms_give_the_same_documents(tmp_path, form):
    name, content = FORMS[form] if form != "XML" else ("a.xml", as_xml())
    path = tmp_path / name
    path.write_text(content)
    found, counts = read(path)
    assert [(entry.id, entry.title, entry.source) for entry in found] == [
        (number, f"Title {number}", f"{path}#{number}") for number in ("1", "2")
    ]
    # Sentences stay as they are, also where the rules would split or join them.
    assert all(entry.parts == ["One of E. coli.", "Mr. X. Two.", "Three."] and entry.is_split for entry in found)
    assert counts == {"passages_left_out": 2, "passages_without_text": 2}


def test_a_text_comes_before_sentences_and_makes_paragraphs(tmp_path):
    passages = [passage("abstract", "ABSTRACT", "Wrong.", text="One. Two."), passage("paragraph", "INTRO", "Three.")]
    (tmp_path / "a.json").write_text(json.dumps({"documents": [{"id": None, "infons": None, "passages": passages}]}))
    (found,), _ = read(tmp_path / "a.json")
    assert (found.parts, found.is_split, found.id) == (["One. Two.", "Three."], False, "")


def test_records_with_passages_of_their_own_are_records(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"passages": [{"is_selected": 1, "text": "One."}]}) + "\n")
    (tmp_path / "b.json").write_text(json.dumps({"text": "One.", "passages": {"text": ["Two."]}}) + "\n")
    assert read(tmp_path / "a.jsonl", text_column="passages.text")[0][0].parts == ["One."]
    assert read(tmp_path / "b.json")[0][0].parts == ["One."]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"documents": [{"id": 1, "abstract": "a"}]},
            "a.json:1: found the keys id, abstract, but BioC JSON has documents",
        ),
        ({"documents": [{"passages": ["text"]}]}, "a.json:1: a passage is a string ('text') and not an object"),
        ([["text"]], "a.json:1 element 1: found a string ('text'), but BioC JSON has documents with passages"),
        ({"a": 1}, "a.json:1: found the keys a, but BioC JSON has"),
    ],
)
def test_a_message_names_what_was_there(tmp_path, content, message):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(InputError) as error:
        read(tmp_path / "a.json", format="bioc_json")
    assert message in str(error.value)


TEXTS = st.sampled_from([None, "", " ", "One. Two."])
PASSAGES = st.fixed_dictionaries(
    {},
    optional={
        "infons": st.sampled_from([None, {}, [], {"type": "title"}, {"type": "table"}, {"section_type": "REF"}]),
        "text": TEXTS,
        "sentences": st.one_of(st.none(), st.lists(st.fixed_dictionaries({"text": TEXTS}), max_size=2)),
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.none(), st.lists(PASSAGES, max_size=3)), max_size=5))
def test_any_document_is_used_or_counted(tmp_path_factory, documents):
    path = tmp_path_factory.getbasetemp() / "any.json"
    content = [passages and {"passages": passages} for passages in documents if passages != []]
    path.write_text(json.dumps({"PubTator3": content}))
    found, counts = read(path, format="bioc_json")
    assert len(found) + counts["null_records"] + counts["documents_without_text"] == len(content)
