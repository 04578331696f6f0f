import pytest
from mutations_of_pairs import MUTATIONS, ROOT, main, mutated


def test_every_seeded_bug_still_has_its_place():
    for mutation in MUTATIONS:
        source = (ROOT / mutation.file).read_text(encoding="utf-8")
        assert mutated(source, mutation) != source


@pytest.mark.slow
def test_every_seeded_bug_is_caught():
    assert main([]) == 0
