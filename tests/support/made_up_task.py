"""A made-up task whose entities are a fixed list of words, so that a right program must learn it, with a tokenizer and
a small BERT for it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForPreTraining, PreTrainedTokenizerFast

from recipe.rng import derive_key, random_below
from recipe.tasks.data.columns import NerTask, TaggedSentence
from recipe.tasks.types.ner import EncodedSentences, encode

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHEMICALS = ["aspirin", "lithium", "zinc", "glucose"]
PLAIN = ["the", "cell", "of", "rats", "with", "was", "given", "and", "in", "fever"]
LABELS = ["O", "B-Chemical", "I-Chemical"]
SENTENCES = {"train": 160, "devel": 24, "test": 30}


def made_up_sentences(split: str) -> list[TaggedSentence]:
    """Sentences of 4 to 30 words; an entity is a chemical, alone or with the word "carbonate" behind it."""
    sentences = []
    for index in range(SENTENCES[split]):
        draws = iter(random_below(1000, derive_key(1, split, index), range(100)).tolist())
        words, tags = [], []
        for _ in range(4 + next(draws) % 16):
            if next(draws) % 4:
                words.append([*PLAIN, "renal"][next(draws) % 11])
                tags.append("O")
            else:
                longer = next(draws) % 3 == 0
                words += [CHEMICALS[next(draws) % 4]] + ["carbonate"] * longer
                tags += ["B-Chemical"] + ["I-Chemical"] * longer
        sentences.append(TaggedSentence([*words, "."], [*tags, "O"]))
    # One word that the tokenizer drops altogether: it is scored all the same.
    sentences[0] = TaggedSentence(["zinc", "\u200b\u200d", "fever"], ["B-Chemical", "I-Chemical", "O"])
    return sentences


def build_tokenizer(more: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """Words of the task, and `more`; "carbonate" and "renal" are not in the vocabulary: they become several pieces."""
    pieces = [*SPECIALS, *CHEMICALS, *PLAIN, "carbon", "##ate", "re", "##nal", "##al", ".", *more]
    rust = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token="[UNK]"))
    rust.normalizer = normalizers.BertNormalizer(lowercase=True)
    rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    rust.post_processor = processors.BertProcessing(
        ("[SEP]", SPECIALS.index("[SEP]")), ("[CLS]", SPECIALS.index("[CLS]"))
    )
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return PreTrainedTokenizerFast(tokenizer_object=rust, **dict(zip(names, SPECIALS, strict=True)))


def build_config(vocab_size: int, **changes: Any) -> BertConfig:
    """One layer of 32."""
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 32,
    }
    return BertConfig(vocab_size=vocab_size, **(sizes | changes))


def write_task(folder: Path) -> Path:
    """The three files of the task."""
    for split in SENTENCES:
        blocks = [
            "".join(f"{word}\t{tag}\n" for word, tag in zip(s.words, s.tags, strict=True))
            for s in made_up_sentences(split)
        ]
        (folder / f"{split}.tsv").write_text("\n".join(blocks), encoding="utf-8")
    return folder


def write_checkpoint(folder: Path, more: Sequence[str] = (), **changes: Any) -> Path:
    """A pretraining checkpoint with random initialisation, and the tokenizer, which also has the words `more`."""
    tokenizer = build_tokenizer(more)
    torch.manual_seed(0)
    BertForPreTraining(build_config(len(tokenizer), **changes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def encode_sentences(
    sentences: list[TaggedSentence], tokenizer: PreTrainedTokenizerFast, max_seq_length: int
) -> EncodedSentences:
    """One split with the task's labels, without training sentences."""
    return encode(NerTask("made up", LABELS, [], [], sentences), tokenizer, max_seq_length)["test"]
