"""corpus.* settings -> the filters that clean documents, in the one order in which each finds what it needs."""

from recipe.config import CorpusConfig
from recipe.corpus.cleaning.boilerplate import Boilerplate
from recipe.corpus.cleaning.characters import ControlCharacters, Unicode, WhiteSpace
from recipe.corpus.cleaning.decontamination import Decontamination
from recipe.corpus.cleaning.duplicates import ExactDuplicates, NearDuplicates
from recipe.corpus.cleaning.filter import Filter, SignatureFilter
from recipe.corpus.cleaning.limits import DocumentLength, ScriptShare, SentenceLength
from recipe.corpus.cleaning.report import CleaningReport
from recipe.corpus.cleaning.task_sentences import task_files

__all__ = ["CleaningReport", "Filter", "SignatureFilter", "cleaning_filters", "task_files"]


def cleaning_filters(config: CorpusConfig) -> list[Filter]:
    """The filters of the settings; raises InputError for an unknown script, absent task files or packages."""
    # Characters first, since all others look for plain ones; then what is deleted from a text, so that lengths and
    # copies are those of the clean text. Filters that depend on other documents come last: on a cluster they alone
    # need all files.
    filters: list[Filter | None] = [
        Unicode(config.unicode) if config.unicode != "none" else None,  # type: ignore[arg-type]
        ControlCharacters() if config.control_characters else None,
        WhiteSpace() if config.white_space else None,
        Boilerplate() if config.boilerplate else None,
        SentenceLength(config.max_sentence_words) if config.max_sentence_words is not None else None,
        DocumentLength(config.min_document_words, config.max_document_words),
        ScriptShare(config.script, config.min_script_share) if config.script is not None else None,
        ExactDuplicates() if config.exact_duplicates else None,
        NearDuplicates(config.near_duplicates) if config.near_duplicates is not None else None,
        Decontamination(config.decontaminate) if config.decontaminate else None,
    ]
    return [filter_ for filter_ in filters if filter_ is not None]
