"""Documents -> WordPiece tokenizer: the same text gives the same bytes, for any number of threads."""

import logging
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from recipe.config import TokenizerConfig
from recipe.corpus import Document
from recipe.rng import derive_key, random_uniform
from recipe.tokenizer.alphabet import Alphabet
from recipe.tokenizer.folder import SPECIAL_TOKENS
from recipe.tokenizer.words import without_long_words

PREFIX = "##"
SIZE_STEP = 8
# All characters are taken if they leave this share of the vocabulary to pieces of several characters.
LEAST_PIECES = 0.1
# A vocabulary that comes out smaller than this share of the wish is worth a word.
SMALL_SHARE = 0.9

logger = logging.getLogger(__name__)


def train_wordpiece(
    documents: Iterable[Document], config: TokenizerConfig, seed: int = 1, warn: Callable[[str], None] = logger.warning
) -> Tokenizer:
    """Train a BERT WordPiece tokenizer: special tokens, characters, merged pieces, [unused] up to a multiple of 8.

    Args:
        documents: read twice: all for the characters, and documents of config.max_train_characters for the pieces.
        seed: what chooses those documents at random.
        warn: is told of characters that become [UNK], and of a vocabulary far below the wish.

    Source of normaliser and pre-tokeniser: google-research/bert@eedf571, tokenization.py; NFKC is our option.
    """
    normalizer = _normalizer(config)
    characters, size = _characters(documents, normalizer)
    # The library numbers ## characters as they come out of a hash table, so that pairs of equal counts are merged in
    # another order each time (tokenizers #1794). Here it is given all characters, numbered, beforehand.
    alphabet = _alphabet(characters, config, normalizer, warn)
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
    # The library merges by count, not by likelihood as in Schuster and Nakajima (2012).
    trainer = trainers.WordPieceTrainer(
        vocab_size=config.vocab_size - config.unused_tokens,
        min_frequency=config.min_frequency,
        special_tokens=[*SPECIAL_TOKENS, *alphabet],
        # None but those; as "special tokens" they are not merged away, and they become ordinary entries again below.
        limit_alphabet=0,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_sentences(documents, config.max_train_characters / max(size, 1), seed), trainer)
    trained, wanted = tokenizer.get_vocab_size(), config.vocab_size - config.unused_tokens
    if trained < SMALL_SHARE * wanted:
        warn(
            f"{trained:,} entries instead of {wanted:,}: the text has no more pieces that occur"
            f" {config.min_frequency} times (tokenizer.min_frequency); lower tokenizer.vocab_size, or add text"
        )
    return _bert_tokenizer(_with_unused(tokenizer.get_vocab(), config), normalizer)


def _normalizer(config: TokenizerConfig) -> normalizers.Normalizer:
    bert = normalizers.BertNormalizer(lowercase=config.lowercase, strip_accents=config.strip_accents)
    return normalizers.Sequence([normalizers.NFKC(), bert]) if config.nfkc else bert


def _characters(
    documents: Iterable[Document], normalizer: normalizers.Normalizer
) -> tuple[list[tuple[str, int]], int]:
    """Characters with their counts, and the size of the whole text in characters."""
    alphabet, size = Alphabet(normalizer), 0
    for document in documents:
        text = "\n".join(document.sentences)
        alphabet.add(text)
        size += len(text)
    return alphabet.characters(), size


def _alphabet(
    characters: list[tuple[str, int]],
    config: TokenizerConfig,
    normalizer: normalizers.Normalizer,
    warn: Callable[[str], None],
) -> list[str]:
    """The characters at the start of a word and, by ##, within one; of too many the most frequent."""
    room = config.vocab_size - config.unused_tokens - len(SPECIAL_TOKENS)
    # Ideographs and punctuation are words of their own for BERT: a ## form of them would never occur.
    forms = {character: 1 if _is_set_apart(character, normalizer) else 2 for character, _ in characters}
    needed, total = sum(forms.values()), sum(count for _, count in characters)
    kept = [character for character, _ in characters]
    if needed > (1 - LEAST_PIECES) * room:
        # As far as the text is of characters that make pieces, half of the room is for those.
        in_words = sum(count for character, count in characters if forms[character] == 2) / total
        entries = np.cumsum([forms[character] for character in kept])
        kept = kept[: int(np.searchsorted(entries, room * (1 - in_words / 2), side="right"))]
        lost = sum(count for _, count in characters[len(kept) :])
        if lost:
            warn(
                f"the text has {len(characters):,} characters, but tokenizer.vocab_size"
                f" {config.vocab_size:,} has room for {len(kept):,}: the rarest, {100 * lost / total:.2g} % of the"
                " text, become [UNK]; raise it"
            )
    return [*sorted(kept), *(PREFIX + character for character in sorted(kept) if forms[character] == 2)]


def _is_set_apart(character: str, normalizer: normalizers.Normalizer) -> bool:
    return len(pre_tokenizers.BertPreTokenizer().pre_tokenize_str(normalizer.normalize_str(f"a{character}b"))) > 1


def _sentences(documents: Iterable[Document], share: float, seed: int) -> Iterator[str]:
    # Whole documents are drawn, each by its own number: the first gigabyte may be of one journal.
    key = derive_key(seed, "tokenizer sample")
    for number, document in enumerate(documents):
        if share >= 1 or random_uniform(key, number) < share:
            yield from (without_long_words(sentence) for sentence in document.sentences)


def _with_unused(vocabulary: dict[str, int], config: TokenizerConfig) -> dict[str, int]:
    # A multiple of 8, since matrix products with the embedding table are faster then.
    size = -(-(len(vocabulary) + config.unused_tokens) // SIZE_STEP) * SIZE_STEP
    unused = [f"[unused{number}]" for number in range(size - len(vocabulary))]
    tokens = [*sorted(vocabulary, key=lambda token: vocabulary[token]), *unused]
    return {token: number for number, token in enumerate(tokens)}


def _bert_tokenizer(vocabulary: dict[str, int], normalizer: normalizers.Normalizer) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=ends
    )
    return tokenizer
