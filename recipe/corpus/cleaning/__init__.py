"""corpus.* settings -> the steps that clean documents, in the one order in which each finds what it needs."""

from recipe.config import CorpusConfig
from recipe.corpus.cleaning.boilerplate import Boilerplate
from recipe.corpus.cleaning.characters import ControlCharacters, Unicode, WhiteSpace
from recipe.corpus.cleaning.decontamination import Decontamination, task_files
from recipe.corpus.cleaning.duplicates import ExactDuplicates, NearDuplicates
from recipe.corpus.cleaning.filter import SignatureFilter, Step
from recipe.corpus.cleaning.limits import DocumentLength, ScriptShare, SentenceLength
from recipe.corpus.cleaning.report import CleaningReport

__all__ = ["CleaningReport", "SignatureFilter", "Step", "cleaning_filters", "task_files"]


def cleaning_filters(config: CorpusConfig) -> list[Step]:
    """The steps that the settings ask for: characters, what is deleted from a text, which documents go; the marking
    steps (copies, task sentences) last.

    Raises:
        InputError: for a script that Unicode does not know, task files that are not there, or a package that is not
            installed.
    """
    steps: list[Step | None] = [
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
    return [step for step in steps if step is not None]
