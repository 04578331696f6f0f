import pytest

from recipe.sentences import split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("  White \n space  is\tfolded. ", ["White space is folded."]),
        ("", []),
        ("As shown in Fig. 3 and Eq. 2, it works. See refs. 4 and 5.", ["As shown in Fig. 3 and Eq. 2, it works.", "See refs. 4 and 5."]),
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
