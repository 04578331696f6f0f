"""text -> sentences: rules for languages that mark the end of a sentence; blingfire or pysbd where asked for."""

import re
from collections.abc import Callable
from enum import Enum
from functools import cache, lru_cache, partial

from recipe.corpus.languages import UNMARKED, Language, language
from recipe.errors import InputError

# They end a sentence wherever they stand: the full stops of scripts without capitals, most written without a space.
# Source: Unicode 16, property Sentence_Terminal, without marks of Latin text and those that also end a phrase.
_STRONG = (
    "\u0589\u061d-\u061f\u06d4\u0700-\u0702\u07f9\u0837\u0839\u083d\u083e\u0964\u0965\u104b\u1362\u1367\u1368\u166e"
    "\u1735\u1736\u17d4\u17d5\u1803\u1809\u1944\u1945\u1aa8-\u1aab\u1b5a\u1b5b\u1b5e\u1b5f\u1c3b\u1c3c\u1c7e\u1c7f"
    "\u3002\ua4ff\ua60e\ua60f\ua6f3\ua6f7\ua876\ua877\ua8ce\ua8cf\ua92f\ua9c8\ua9c9\uaa5d-\uaa5f\uaaf0\uaaf1\uabeb"
    "\ufe12\ufe15\ufe16\ufe52\ufe56\ufe57\uff01\uff0e\uff1f\uff61"
)
# They end one before a space and what may begin one; between letters of Chinese, Japanese or Korean without a space.
_WEAK = ".!?\u2026\u203c\u203d\u2047-\u2049"
_CLOSING = "\"'’”)\\]》〉」』】〕）］｝»›«‹"
_OPENING = frozenset("\"'‘“„‚(['«‹»›¿¡「『《〈【〔（［")
_IS_STRONG = re.compile(f"[{_STRONG}]")
_WIDE = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_HIRAGANA = re.compile("[\u3041-\u309f]")
# A word with its marks: letters of Hindi or Thai have some that are not \w.
_LAST_WORD = re.compile(r"[^\x00-\x2d\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f‘’‚“”„«»‹›（「『《–—…¿¡]+$")
# "1.", "2.3.", "IV.", "b." at the begin of a sentence are the number of an item, which the sentence follows.
_IS_NUMBER = re.compile(r"\d$|^[IVXLC]+$")
_ITEM_NUMBER = re.compile(r"[(\[]?(?:\d{1,3}(?:\.\d{1,3})*|[IVXLC]{1,5}|[ivx]{1,4}|[A-Za-z])")


def split_sentences(text: str, code: str = "en") -> list[str]:
    """Split one paragraph into sentences; white space is folded to single spaces, empty sentences are dropped.

    A sentence ends at `.`, `!`, `?` or `…` before white space and what may begin one: a capital letter, a letter of a
    script without capitals, a digit, a bracket or a quotation mark. It does not end after an abbreviation, an initial,
    an ordinal, the number of an item ("1. First"), or while a bracket is open. The full stops of other scripts (`。`,
    `！`, `।`, `؟`, `۔`, ...) end it everywhere, also without a space.

    Args:
        code: the language, in ISO 639-1: its abbreviations count.

    Raises:
        InputError: for an unknown code.
    """
    # Folding finds nothing to do in most texts. Of all white space only the space is printable, and to ask that is ten
    # times faster than to fold.
    if not text.isprintable() or "  " in text or text[:1] == " " or text[-1:] == " ":
        text = " ".join(text.split())
    rules = language(code)
    sentences = []
    start = 0
    # Most texts are ASCII. Their pattern is shorter and says all but what stands before a full stop.
    is_ascii = text.isascii() and not rules.marks
    boundary = _ascii_boundary if is_ascii else _any_boundary(rules.marks)
    for match in boundary.finditer(text):
        mark, end = match.span()
        if (is_ascii or _may_end(text, start, mark, end)) and (
            text[mark] != "." or _full_stop_ends(text, start, mark, end, rules)
        ):
            sentences.append(text[start : end - (text[end - 1] == " ")])
            start = end
    return [sentence for sentence in [*sentences, text[start:]] if sentence]


def splitter(name: str, code: str = "en") -> Callable[[str], list[str]]:
    """What splits one paragraph of a language: `split_sentences` for "rules", or a library.

    Raises:
        InputError: if the library is not installed or does not know the language; when the first text comes, if the
            language does not mark the end of a sentence, for then only text that is split already can be used.
    """
    language(code)
    if code in UNMARKED:
        return partial(_refuse, code)
    if name == "rules":
        return partial(split_sentences, code=code)
    try:
        if name == "blingfire":
            from blingfire import text_to_sentences

            return lambda text: list(filter(None, text_to_sentences(" ".join(text.split())).split("\n")))
        from pysbd import Segmenter
        from pysbd.languages import LANGUAGE_CODES
    except ImportError:
        raise InputError(
            f"corpus.sentence_splitter is {name}, which is not installed; pip install {name}, or set it to rules"
        ) from None
    if code not in LANGUAGE_CODES:
        raise InputError(
            f"corpus.sentence_splitter is pysbd, which does not know corpus.language {code}, only"
            f" {', '.join(sorted(LANGUAGE_CODES))}; set it to rules"
        )
    segment = Segmenter(language=code, clean=False).segment
    return lambda text: list(filter(None, map(str.strip, segment(" ".join(text.split())))))


def _refuse(code: str, text: str) -> list[str]:
    with_what = f", for example with {UNMARKED[code]}" if UNMARKED[code] else ""
    raise InputError(
        f"corpus.language is {code}, which does not mark the end of a sentence, so no splitter here can find it in"
        f" {text[:30]!r}; split the text before{with_what}, and give it as one sentence per line or as lists"
    )


# "[**Name**]" and "___" stand for what was cut out of clinical notes.
_ascii_boundary = re.compile(r"""[.!?][.!?]*["')\]]* (?=["'(\[]?[A-Z0-9]|\[\*\*|__)""")


@cache
def _any_boundary(more_marks: str) -> re.Pattern[str]:
    marks = f"[{_WEAK}{_STRONG}{more_marks}]"
    # French sets a space before its closing mark; without one after it, it is the opening mark of German or Danish.
    ends = f"{marks}+(?:[{_CLOSING}]| [»”](?= |$))*"
    return re.compile(f"{ends}(?: (?=[^a-z ])|(?=[^\\x00-\\x7f])|(?<=[^\\x00-\\x7f]) ?(?=.))")


class _Word(Enum):
    """What may stand before a full stop."""

    ORDINARY = 0
    CAPITAL = 1
    ABBREVIATION = 2
    MAY_END = 3
    ENDS_AFTER_NUMBER = 4
    ONE_OR_TWO_DIGITS = 5


def _may_end(text: str, start: int, mark: int, end: int) -> bool:
    """Whether the marks from `mark` on may end the sentence that began at `start`; the next would begin at `end`."""
    if _IS_STRONG.search(text, mark, end):
        return _ends_without_capitals(text, start, mark, end)
    if text[end - 1] == " ":
        return _may_begin(text, end)
    return bool(mark > start and _WIDE.match(text, mark - 1) and _WIDE.match(text, end))


def _ends_without_capitals(text: str, start: int, mark: int, end: int) -> bool:
    # 「はい。」と言った: after the bracket the sentence around it goes on, by a particle in hiragana.
    if text[end - 1] in "」』）" and _HIRAGANA.match(text, end):
        return False
    # Full-width digits have full-width points.
    if text[mark] == "\uff0e" and text[end].isdigit():
        return False
    return all(
        text.count(opened, start, end) <= text.count(closed, start, end) for opened, closed in ("()", "（）", "「」")
    )


def _may_begin(text: str, place: int) -> bool:
    """Whether a sentence may begin there: a capital, a digit, a letter without case, or what is cut out of a note."""
    first = text[place]
    if first in _OPENING and place + 1 < len(text):
        if text.startswith("[**", place):
            return True
        # French sets a space after its opening mark.
        place += 1 + (first == "«" and text[place + 1] == " " and place + 2 < len(text))
        first = text[place]
    if first == "_":
        return text.startswith("__", place)
    if "\u03b1" <= first <= "\u03c9":
        # A name such as "α-Agonists", but no Greek word.
        return not "\u0370" <= text[place + 1 : place + 2] <= "\u03ff"
    # Georgian letters count as small ones, although its texts have no capitals.
    return first.isdigit() or (first.isalpha() and (not first.islower() or "\u10d0" <= first <= "\u10ff"))


def _full_stop_ends(text: str, start: int, dot: int, end: int, rules: Language) -> bool:
    chunk_start = text.rfind(" ", start, dot) + 1 or start
    chunk = text[chunk_start:dot]
    if chunk_start == start and _ITEM_NUMBER.fullmatch(chunk):
        return False
    word = _kind_of_word(chunk, rules)
    if word is _Word.ORDINARY:
        # Whole sentences in brackets belong to the sentence around them.
        opened = text.count("(", start, end)
        return not opened or opened <= text.count(")", start, end)
    if word is _Word.CAPITAL:
        # An initial such as "J. Smith" ends nothing; a name such as "vitamin D." may, as a word stands before it.
        if not text[end].isalpha():
            return not text[end].isdigit() or text[dot - 1].lower() not in rules.abbreviations
        words = text[start : dot - 1].split()
        return bool(words) and words[-1][-1].isalnum() and words[-1].islower()
    before = text[start:chunk_start].rsplit(maxsplit=1)[-1:]
    if word is _Word.ONE_OR_TWO_DIGITS:
        after = text[end : end + 20].split(" ")[0].strip(".,;:!?)").lower()
        is_ordinal = (before and before[0].lower() in rules.before_ordinal) or after in rules.after_ordinal
        return not is_ordinal and not (rules.before_ordinal and text[end].isdigit())
    if word is _Word.ENDS_AFTER_NUMBER:
        return bool(before) and _IS_NUMBER.search(before[0]) is not None and not text[end].isdigit()
    return word is _Word.MAY_END and not text[end].isdigit() and text[end] not in "([\"'"


# Cached, since the words before full stops are few: an article has "al." a hundred times.
@lru_cache(maxsize=1 << 16)
def _kind_of_word(text: str, rules: Language) -> _Word:
    """The kind of the word at the end of what stands between a space and a full stop."""
    found = _LAST_WORD.search(text)
    word = found.group() if found else ""
    name = word.lower().rstrip(".")
    if rules.before_ordinal and len(word) < 3 and word.isdigit():
        return _Word.ONE_OR_TWO_DIGITS
    if len(word) == 1 and word.isalpha() and word.isupper():
        return _Word.CAPITAL
    if name in rules.after_number:
        return _Word.ENDS_AFTER_NUMBER
    if name in rules.may_end:
        return _Word.MAY_END
    # A single letter of Arabic, Hebrew or an Indian script is an initial, and "मि.ग्रा" stands for two words: there are
    # no capitals to tell.
    letters = [character for character in name if character.isalpha()]
    is_initial = (len(letters) == 1 or "." in name) and "\u0590" <= (letters or " ")[0] <= "\u0dff"
    return _Word.ABBREVIATION if is_initial or name in rules.abbreviations else _Word.ORDINARY
