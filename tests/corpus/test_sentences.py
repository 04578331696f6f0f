import sys
from types import ModuleType

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from recipe.config import SPLITTERS, CorpusConfig
from recipe.corpus import read_documents
from recipe.corpus.languages import CODES, UNMARKED, check_card_language
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


LANGUAGES = {
    "zh": ["你好。", "你好吗？", "我很好！", "“是的。”", "他说。", "（见图1。）", "价格是3.5元。"],
    "ja": ["「はい。」と言った。", "彼は行った。", "値は３．５だ。", "本当？"],
    "ko": ["그는 집에 갔다.", "그러나 비가 왔다!", "3.1 운동은 컸다.", "정말?"],
    "hi": ["डॉ. राम आए।", "वह घर गया।", "पं. नेहरू कब बोले?", "हाँ।"],
    "ar": ["هل هذا صحيح؟", "نعم.", "قال د. محمد ذلك.", "ثم ذهب!"],
    "ur": ["یہ کتاب ہے۔", "وہ کہاں ہے؟", "جی ہاں۔"],
    "ru": [
        "А. С. Пушкин родился в 1799 г.",
        "Он жил в г. Москва и т. д.",
        "Это так.",
        "См. рис. 3 и табл. 2.",
        "В 2001 г. 5 человек ушли.",
    ],
    "de": [
        "Am 3. Juni kam er.",
        "Abs. 1 gilt nach Art. 5 weiter.",
        "Das ist z. B. Aspirin bzw. Ibuprofen.",
        "Er ist 50.",
        "Im 19. Jahrhundert usw.",
        "Danach kam Dr. Müller.",
        "»Ja.«",
        "»Komm!« sagte sie.",
        "Über 5 % starben.",
    ],
    "fr": ["M. Dupont est venu.", "« Bonjour. »", "Il partit.", "Voir p. 5 (fig. 2).", "À 10 h.", "Élise dort."],
    "es": ["¿Qué es?", "¡No!", "El Sr. Pérez vino con la Dra. Ruiz.", "Ángel durmió.", "Véase la pág. 3."],
    "el": ["Τι είναι;", "Είναι καλό.", "Ο κ. Παπάς ήρθε."],
    "am": ["ይህ ነው።", "ያ ነው።"],
    "hy": ["Սա է։", "Նա է։"],
    "pl": ["Urodził się w 1799 r.", "Potem żył w Warszawie.", "Prof. Nowak przyszedł m.in. z nim."],
}


@pytest.mark.parametrize("code", LANGUAGES)
def test_languages(code):
    sentences = LANGUAGES[code]
    assert split_sentences(" ".join(sentences), code) == sentences


@pytest.mark.parametrize("code", ["zh", "ja", "hi", "ur", "am", "hy"])
def test_full_stops_of_scripts_without_capitals_need_no_space(code):
    # Where one ends in a mark of its own; "3.5" and "?" of Latin text need one.
    sentences = [sentence for sentence in LANGUAGES[code] if sentence[-1] not in ".?!"]
    assert split_sentences("".join(sentences), code) == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("1. First item is here. 2. Second one.", ["1. First item is here.", "2. Second one."]),
        ("IV. Methods follow. 2.1. We did it.", ["IV. Methods follow.", "2.1. We did it."]),
        (
            "Seen by Dr. [**Last Name**]. [**Name**] was well.",
            ["Seen by Dr. [**Last Name**].", "[**Name**] was well."],
        ),
        ("He left. ___ was given. Then ___. He came.", ["He left.", "___ was given.", "Then ___.", "He came."]),
        ("It was 37 °C. The end… He left.", ["It was 37 °C.", "The end…", "He left."]),
        ("Он пришёл. Она ушла.", ["Он пришёл.", "Она ушла."]),
        ("你好。Hello there. 再见！", ["你好。", "Hello there.", "再见！"]),
        ("是的.他来了!真的?", ["是的.", "他来了!", "真的?"]),
    ],
)
def test_other_texts_among_english_ones(text, sentences):
    assert split_sentences(text) == sentences


@given(
    st.text(st.sampled_from('aB1 .!?。！？।؟۔…()（）「」"”»«中한हि\u0301\u0947'), max_size=60),
    st.sampled_from(sorted(CODES)),
)
def test_sentences_are_the_text_whatever_its_language(text, code):
    found = split_sentences(text, code)
    assert "".join(found).replace(" ", "") == "".join(text.split())
    assert all(sentence and sentence == sentence.strip() for sentence in found)


@pytest.mark.parametrize("name", SPLITTERS)
@pytest.mark.parametrize("code", sorted(UNMARKED))
def test_a_language_without_full_stops_is_refused_when_text_must_be_split(tmp_path, name, code):
    settings = {"sentence_splitter": name, "language": code, "path": [str(tmp_path / "a.txt")]}
    (tmp_path / "a.txt").write_text("ฉันไป\nเธอมา\n")
    by_line = CorpusConfig(**settings)
    assert [found.sentences for found in read_documents(by_line)] == [["ฉันไป", "เธอมา"]]
    with pytest.raises(InputError, match=rf"corpus.language is {code}.*split the text before"):
        list(read_documents(CorpusConfig(**settings, format="plain_text")))


@pytest.mark.parametrize("code", ["english", "EN", "xx", "", "e", "de-AT"])
def test_an_unknown_language_is_refused(code):
    with pytest.raises(InputError, match=rf"corpus.language is '{code}'.*ISO 639-1"):
        splitter("rules", code)


@pytest.mark.parametrize("code", ["en", "yue", "zh"])
def test_languages_of_the_card(code):
    check_card_language(code)


@pytest.mark.parametrize("code", ["english", "EN", "xx", "en-US", ""])
def test_the_card_takes_codes_of_iso_639_only(code):
    with pytest.raises(InputError, match=r"hub\.language is"):
        check_card_language(code)


def test_pysbd_gets_the_language(monkeypatch):
    made = []

    class Segmenter:
        def __init__(self, language, clean):
            made.append(language)

        def segment(self, text):
            return [text]

    module, codes = ModuleType("pysbd"), ModuleType("pysbd.languages")
    module.Segmenter, codes.LANGUAGE_CODES = Segmenter, {"en": 0, "de": 0}
    monkeypatch.setitem(sys.modules, "pysbd", module)
    monkeypatch.setitem(sys.modules, "pysbd.languages", codes)
    splitter("pysbd", "de")
    assert made == ["de"]
    with pytest.raises(InputError, match=r"does not know corpus.language ko, only de, en"):
        splitter("pysbd", "ko")


@pytest.mark.parametrize("name", SPLITTERS)
def test_every_splitter_splits_a_paragraph(name):
    if name != "rules":
        pytest.importorskip(name, reason=f"the extra [{name}] is not installed")
    assert splitter(name)("Aspirin  inhibits\nplatelets.  It does so fast. ") == [
        "Aspirin inhibits platelets.",
        "It does so fast.",
    ]


@pytest.mark.parametrize("name", ["blingfire", "pysbd"])
def test_a_splitter_that_is_not_installed_is_named_with_the_remedy(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=rf"corpus.sentence_splitter is {name}.*pip install {name}"):
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


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks/texts").glob("*.txt")), ids=lambda path: path.stem)
def test_boundaries_in_other_languages_are_found_as_well_as_by_the_libraries(path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from sentences import boundary_f1

    found = boundary_f1(path)
    assert found["rules"] >= 0.95
    assert all(found["rules"] >= each for each in found.values() if each != "–")
