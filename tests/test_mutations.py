import pytest
from mutations import ROOT, TABLES, main, mutated, table_of


@pytest.mark.parametrize("name", TABLES)
def test_every_seeded_bug_still_has_its_place(name):
    tests_of, mutations = table_of(name)
    for mutation in mutations:
        source = (ROOT / mutation.file).read_text(encoding="utf-8")
        assert mutated(source, mutation) != source
        assert all((ROOT / test).is_file() for test in tests_of[mutation.file])


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_every_seeded_bug_is_caught(name):
    assert main([name]) == 0
