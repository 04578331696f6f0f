"""Text -> token ids as text: "[MASK]" in it is a word; a special token that the user added, such as [ANON], stays."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import Encoding, Tokenizer

from recipe.tokenizer.folder import SPECIAL_TOKENS


class PlainTextTokenizer:
    """A tokenizer that reads a text as pretraining does, without special tokens, truncation and padding.

    A token of the text that would get the id of a special token of BERT gets that of [UNK].
    """

    def __init__(self, tokenizer_json: str, special_tokens: Iterable[str] = SPECIAL_TOKENS) -> None:
        special = {*SPECIAL_TOKENS, *special_tokens}
        self._tokenizer = text_tokenizer(tokenizer_json, special)
        self.unknown_id = unknown_id(self._tokenizer)
        ids = {self._tokenizer.token_to_id(token) for token in special}
        # A pre-tokenizer that keeps "[MASK]" in one piece would find it in the vocabulary.
        self._forbidden = {number for number in ids if number is not None} - {self.unknown_id}

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Texts with the offsets of their tokens; the ids are to be taken by `ids_of`."""
        return self._tokenizer.encode_batch(list(texts), add_special_tokens=False)

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[Encoding]:
        """Sentences of words, with the number of each token's word; the ids are to be taken by `ids_of`."""
        return self._tokenizer.encode_batch([list(words) for words in sentences], True, add_special_tokens=False)

    def ids_of(self, encoding: Encoding) -> list[int]:
        """The token ids of a text."""
        ids = encoding.ids
        if self._forbidden.isdisjoint(ids):
            return ids
        return [self.unknown_id if token_id in self._forbidden else token_id for token_id in ids]


def plain_text_tokenizer(tokenizer: Any) -> PlainTextTokenizer:
    """A fast tokenizer of transformers as one of plain text, for which its own [CLS], [SEP] and so on are words."""
    roles = ("cls", "sep", "pad", "mask", "unk", "bos", "eos")
    tokens = [token for role in roles if (token := getattr(tokenizer, f"{role}_token", None))]
    return PlainTextTokenizer(tokenizer.backend_tokenizer.to_str(), tokens)


def text_tokenizer(tokenizer_json: str, special: Iterable[str] = SPECIAL_TOKENS) -> Tokenizer:
    """The tokenizer without truncation and padding, for which these special tokens are text."""
    parts, special = json.loads(tokenizer_json), set(special)
    # The library can take all special tokens for text or none. Those of the user's own are meant, so they count as
    # added words, which it always finds.
    for token in parts.get("added_tokens", []):
        token["special"] = token["content"] in special
    tokenizer = Tokenizer.from_str(json.dumps(parts, ensure_ascii=False))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


def unknown_id(tokenizer: Tokenizer) -> int:
    """The id of the unknown token."""
    return tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "[UNK]") or 0
