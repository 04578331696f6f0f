"""What the boilerplate filter takes: true notices, and none of the sentences of law, history, chemistry and music that
look like one. Every part that is deleted from a document is listed.
"""

import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipe.corpus import Document
from recipe.corpus.cleaning.boilerplate import Boilerplate
from recipe.corpus.cleaning.filter import Candidate, Deletion
from recipe.corpus.cleaning.limits import SentenceLength
from recipe.corpus.cleaning.report import CleaningReport

NOTICES = (
    "Copyright 2001 Elsevier Inc. All rights reserved.",
    "© 2019 The Authors. Published by Wiley.",
    "Published by Elsevier Ltd.",
    "Copyright (C) 2001 John Wiley & Sons, Ltd.",
    "Copyright 1998 S. Karger AG, Basel",
    "Copyright 1998 S. Karger AG, Basel.",
    "Copyright © Elsevier Inc.",
    "© 2001 X and Y.",
    "Copyright 2001 Elsevier.",
    "(c) 2003 Wiley-Liss, Inc.",
    "(C) 1999 Academic Press.",
    "(copyright) 2007 Elsevier Ltd. All rights reserved.",
    "(c) 2006 Published by Elsevier B.V.",
    "All rights reserved].",
    "(copyright) Medical Council on Alcohol 2005; all rights reserved.",
    "(c) 2013 Wiley Periodicals, Inc. J Biomed Mater Res Part A: 101A: 2753-2762, 2013.",
    "(c) 2016 APA, all rights reserved",
    "(PsycINFO Database Record (c) 2016 APA, all rights reserved).",
    "© 2007 Elsevier B.V. on behalf of the European Society.",
    "© The Author(s) 2018.",
    "© The Author(s) 2018. Published by Oxford University Press. All rights reserved. For "
    "permissions, please email: journals@oup.com.",
    "Copyright © 2010 by the American Society for Microbiology.",
    "Copyright © 2010 American Chemical Society",
    "Crown Copyright © 2010 Published by Elsevier Ltd. All rights reserved.",
    "Copyright (c) 2004 S. Karger AG, Basel.",
    "Copyright 2003 Wiley Periodicals, Inc. J Comput Chem 24: 1-9, 2003",
    "© 2009 International Society for Animal Genetics.",
    "© 2012 Wiley Periodicals, Inc.",
    "© Georg Thieme Verlag KG Stuttgart · New York.",
    "Copyright © 2016 Elsevier Ltd. All rights reserved.",
    "COPYRIGHT 2001 BMJ PUBLISHING GROUP LTD",
    "©2015 American Association for Cancer Research.",
    "© 2017 by the authors.",
    "© 2018 The Author(s).",
    "© 2001-2003 Springer-Verlag.",
    "(C) 2001 Cancer Research Campaign.",
    "Copyright 2002 by Academic Press",
    "© Springer-Verlag 1999",
    "© RSNA, 2012.",
    "© 2020 Published by Elsevier Inc.",
    "Copyright 1999 The Endocrine Society",
    "2001 Elsevier Science Ltd. All rights reserved.",
    "All rights reserved.",
    "© 2014 S. Karger AG, Basel.",
    "© Author(s) (or their employer(s)) 2019. No commercial re-use. See rights and permissions. Published by BMJ.",
    "Copyright © 2018 the authors 0270-6474/18/381-10$15.00/0.",
    "Copyright © 2012 Wolters Kluwer Health | Lippincott Williams & Wilkins.",
    "© 2016 Wiley-VCH Verlag GmbH & Co. KGaA, Weinheim.",
    "© 2013, The American Society of Human Genetics.",
    "Copyright, 1998, American College of Chest Physicians.",
    "Copyright © 2005, European Federation of Sexology.",
    "© 2019 Japan Society of Clinical Oncology.",
    "© The Royal Society of Chemistry 2014.",
    "© 2011 Wiley-Liss, Inc.",
    "Copyright (c) 2011 Elsevier Masson SAS. Tous droits réservés.",
    "© 2010 Lavoisier SAS.",
    "© 2018 Macmillan Publishers Ltd, part of Springer Nature.",
    "Copyright © The Korean Society of Radiology.",
    "This is an open-access article distributed under the terms of the Creative Commons Attribution "
    "License, which permits use (http://creativecommons.org/licenses/by/4.0/).",
    "(ABSTRACT TRUNCATED AT 250 WORDS)",
    "ABSTRACT TRUNCATED AT 400 WORDS",
    "(Abstract truncated at 250 words)",
)
TEXTS = (
    "(c) the 2003 Act does not apply to any keeper who is blind;",
    "(C) In 1998 the court held that the rule binds both parties.",
    "Copyright law of 1976 protects maps and charts.",
    "Copyright Act 1968 applies to the map.",
    "Copyright Act of 1976.",
    "Copyright 1976 Act.",
    "(c) 2001 Society Rules.",
    "The Copyright Act of 1976 protects maps.",
    "(c) 2001 cells were counted.",
    "(C) 2010 patients were enrolled in the second arm.",
    "(c) 1989 Loma Prieta earthquake;",
    "(C) 2005 Hurricane Katrina hit the coast.",
    "(c) 1994, when the law was changed, and 1996.",
    "Copyright in 1999 was extended by twenty years.",
    "Copyright since 1709 has been a right of authors.",
    "Copyright 2001 was a year of change for music.",
    "© 1923 appears on the label of the record.",
    "© 2010 patients were told.",
    "The © sign of 1909 is still used.",
    "Copyright (c) notices were introduced in 1909.",
    "Copyright © is the sign of a right that ends.",
    "(c) 2003 Act;",
    "(c) 2003 Regulations.",
    "(c) 2001 Society members were asked about lamps.",
    "(c) Elsevier v Smith, decided in 2001, was followed.",
    "Copyright Office records of 1998 name the owner.",
    "Copyright Tribunal 2001.",
    "COPYRIGHT LAW OF 1976",
    "Copyright Directive 2001.",
    "The Tenth Amendment keeps all rights reserved to the people.",
    "The author has all rights reserved under the law.",
    "Published by Elsevier in 1999, the book describes lamps.",
    "Published by Oxford University Press, the novel won a prize.",
    "An abstract truncated at 250 words was shown to the readers.",
    "The abstract truncated the results.",
    "Copyright and neighbouring rights of 1961 are treated here.",
    "Copyright: 1976 saw the first change.",
    "(c) 1950 to 1990 were warm years.",
    "(c) 2,4-dichlorophenol 2001 mg was added.",
    "(C) 2000 Hz was the highest tone.",
    "Panel (c) shows 2001 cells.",
    "(c) 2001 and 2002 samples were mixed.",
    "(c) 1999 American troops were sent;",
    "Copyright Clause 1787 gives Congress the power.",
    "Copyright Term Extension Act 1998.",
    "© is short for copyright in 1998.",
    "All rights reserved by the crown in 1950 were given back.",
    "(c) 2010 Nobel Prize in Physics.",
    "(a) 1999 (b) 2000 (c) 2001",
    "(C) 1998 The court held that the rule binds.",
    "Copyright 1998 The court held that the rule binds.",
)


def cleaned(text: str) -> str:
    found = Boilerplate()(Candidate(text))
    return found.text if isinstance(found, Deletion) else found


@pytest.mark.parametrize("notice", NOTICES)
def test_true_notices_go(notice):
    found = Boilerplate()(Candidate(f"We saw it.\n{notice}"))
    assert found == Deletion("We saw it.", (notice,))
    assert cleaned(f"We saw it.\n{notice}\nAll was well.") == "We saw it.\nAll was well."


@pytest.mark.parametrize("notice", [notice for notice in NOTICES if not notice.startswith("This is")])
def test_true_notices_go_from_the_end_of_a_line(notice):
    assert cleaned(f"We saw it. {notice}") == "We saw it."


@pytest.mark.parametrize("text", TEXTS)
def test_what_only_looks_like_a_notice_stays(text):
    for whole in (text, f"We saw it. {text}", f"(a) One.\n{text}\nWe saw it."):
        assert cleaned(whole) is whole


def test_a_sentence_after_a_notice_stays():
    sentence = "We then saw that the lamps were lit by night."
    for notice in ("Copyright 2001 Elsevier.", "© 2019 The Authors. Published by Wiley.", "(C) 1999 Academic Press."):
        assert cleaned(f"{notice} {sentence}") == sentence
        assert cleaned(f"{sentence} {notice} {sentence}") == f"{sentence} {sentence}"


@pytest.mark.parametrize(
    "text", ["all rights reserved " + "Ab. " * 20_000, "© " + "Aa of the " * 9_000 + "zz", "(c) " * 20_000]
)
def test_long_lines_take_no_time(text):
    started = time.monotonic()
    Boilerplate()(Candidate(text))
    assert time.monotonic() - started < 5


PARTS = st.one_of(st.sampled_from([*NOTICES, *TEXTS]), st.text(st.sampled_from("ab © .2001(C)"), min_size=1))
LINES = st.lists(PARTS.map(lambda text: " ".join(text.split())).filter(bool), min_size=1, max_size=4).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(LINES, min_size=1, max_size=4), max_size=5))
def test_any_deletion_is_listed(texts):
    documents = [Document(lines, str(place)) for place, lines in enumerate(texts)]
    listed: list[dict] = []
    left = {
        document.source: document
        for document in CleaningReport([Boilerplate(), SentenceLength(12)], listed.append).clean(documents)
    }
    for document in documents:
        entries = [entry for entry in listed if entry["source"] == document.source]
        gone = [entry for entry in entries if entry["kind"] == "document"]
        assert len(gone) == (document.source not in left)
        if not gone:
            parts = Counter("".join(entry["excerpt"] for entry in entries))
            kept = Counter("".join(left[document.source].sentences))
            missing = Counter("".join(document.sentences)) - parts - kept
            # The excerpt of a long sentence is cut.
            is_cut = any(len(entry["excerpt"]) == 500 for entry in entries)
            assert is_cut or not missing.keys() - {" "}
