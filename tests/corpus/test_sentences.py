import sys

import pytest

from recipe.config import SPLITTERS, CorpusConfig
from recipe.corpus import read_documents
from recipe.corpus.sentences import split_sentences, splitter
from recipe.errors import InputError


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("  White \n space  is\tfolded. ", ["White space is folded."]),
        ("", []),
        (
            "As shown in Fig. 3 and Eq. 2, it works. See refs. 4 and 5.",
            ["As shown in Fig. 3 and Eq. 2, it works.", "See refs. 4 and 5."],
        ),
        ("Smith et al. Nature 2001. It holds.", ["Smith et al. Nature 2001.", "It holds."]),
        ("J. R. Smith agreed. He left.", ["J. R. Smith agreed.", "He left."]),
        ("They lacked vitamin D. Doses rose.", ["They lacked vitamin D.", "Doses rose."]),
        ("We gave 5 mg/kg i.v. The rats slept.", ["We gave 5 mg/kg i.v. The rats slept."]),
        ("It took 50 min. Infusion followed.", ["It took 50 min.", "Infusion followed."]),
        ("P was 0.05. Then 3.5 mg was given.", ["P was 0.05.", "Then 3.5 mg was given."]),
        ("The cells (n = 3. Two died) grew. All grew.", ["The cells (n = 3. Two died) grew.", "All grew."]),
        ('He said "stop." Then he went.', ['He said "stop."', "Then he went."]),
        ("β-Blockers help. α-Agonists do not.", ["β-Blockers help.", "α-Agonists do not."]),
        ("We used E. coli and S. aureus. Both grew.", ["We used E. coli and S. aureus.", "Both grew."]),
    ],
)
def test_examples(text, sentences):
    assert split_sentences(text) == sentences


def test_no_character_is_lost():
    text = "A b. C d (e. F) g! H? 3.4 i. J et al. K."
    assert " ".join(split_sentences(text)) == text


@pytest.mark.parametrize("name", SPLITTERS)
def test_every_splitter_splits_a_paragraph(name):
    if name != "rules":
        pytest.importorskip(name, reason=f"the extra [{name}] is not installed")
    assert splitter(name)("Aspirin  inhibits\nplatelets.  It does so fast. ") == [
        "Aspirin inhibits platelets.",
        "It does so fast.",
    ]


@pytest.mark.parametrize("name", ["blingfire", "pysbd"])
def test_a_splitter_that_is_not_installed_is_named_with_its_extra(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=rf"corpus.sentence_splitter is {name}.*domain-bert\[{name}\]"):
        splitter(name)


def test_the_key_reaches_the_reader(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pysbd", None)
    (tmp_path / "a.txt").write_text("One sentence. And another.")
    with pytest.raises(InputError, match="pysbd"):
        list(
            read_documents(
                CorpusConfig(path=[str(tmp_path / "a.txt")], format="plain_text", sentence_splitter="pysbd")
            )
        )
