"""What a recipe is: one dataclass per section, so that sizes cannot disagree between the stages.

Every field says what it means, its unit and its range; a value that cannot work is refused before an hour is lost.
"""

import dataclasses
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from recipe.errors import InputError
from recipe.privacy.secrets import masked_urls_in

FORMATS = (
    *("blank_line_text", "plain_text", "paragraphs", "jsonl", "csv", "parquet"),
    *("pubmed", "jats", "bioc_json", "bioc_xml"),
)
SPLITTERS = ("rules", "blingfire", "pysbd")


def key(
    default: Any,
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple = (),
    shapes_result: bool = True,
) -> Any:
    """A config field.

    Args:
        low, high: range of a number, both included. choices: all values that it takes.
        shapes_result: False marks what changes how a stage runs but not what it makes: a change redoes nothing.
    """
    metadata = {"help": help, "low": low, "high": high, "choices": choices, "shapes_result": shapes_result}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class CorpusConfig:
    path: list[str] = key(
        [],
        "Files, globs, folders or URLs (s3://, hf://, memory://, what fsspec knows) of text, hub:NAME/DATA for a data"
        " set of the Hub (hub:NAME/DATA?split=train&name=CONFIG&revision=REVISION), or embedded:allofplos (122 PLOS"
        " articles that `make setup` installs).",
    )
    prepared_from: str | None = key(
        None,
        "Run folder whose corpus, tokenizer and token ids this run takes over instead of corpus.path, such as that of"
        " the 128-token phase.",
        shapes_result=False,
    )
    format: str = key(
        "auto",
        "blank_line_text (one sentence per line, a blank line between documents), plain_text (a file is a document),"
        " paragraphs (a block between blank lines is a document), jsonl (also one array), csv (also .tsv), parquet,"
        " pubmed (baseline XML), jats (journal articles), bioc_json, bioc_xml; auto: by file name, .xml and JSON by"
        " their content (.txt is blank_line_text). All also as .gz and .zst.",
        choices=("auto", *FORMATS),
    )
    text_column: str = key(
        "text",
        "JSON, CSV, Parquet, Hub: field of the text, or of the list of its sentences or paragraphs; body.text: the"
        " field text of the object body.",
    )
    title_column: str | None = key(
        None, "JSON, CSV, Parquet, Hub: field of the title, the first sentence; null: none."
    )
    id_column: str | None = key(None, "JSON, CSV, Parquet, Hub: field of the document's id; null: none.")
    errors: str = key(
        "strict",
        "Bytes that are not UTF-8 in text, JSON and CSV: strict refuses the file, replace puts U+FFFD and counts.",
        choices=("strict", "replace"),
    )
    language: str = key(
        "en",
        "Language of the text in ISO 639-1 (two letters): abbreviations and ordinals for splitting sentences, and"
        " whether accents stay (tokenizer.strip_accents).",
    )
    sentence_splitter: str = key(
        "rules",
        "What splits text that is not split yet: rules (ours, for all languages that mark the end of a sentence), or"
        " the libraries blingfire (without languages) or pysbd (for 23; extras of these names).",
        choices=SPLITTERS,
    )
    unicode: str = key(
        "none",
        "Cleaning: Unicode normal form; NFKC also unifies ligatures, full-width and raised letters.",
        choices=("none", "NFC", "NFKC"),
    )
    control_characters: bool = key(
        True,
        "Cleaning: delete control and zero-width characters and soft hyphens; a zero-width space becomes a space.",
    )
    white_space: bool = key(True, "Cleaning: fold every run of white space, no-break spaces too, to one space.")
    boilerplate: bool = key(True, "Cleaning: delete copyright notices, notes of truncation and the like.")
    script: str | None = key(None, "Cleaning: script of the documents that stay, such as latin or greek; null: any.")
    min_script_share: float = key(0.7, "Cleaning: least share of letters that are of corpus.script.", low=0, high=1)
    max_sentence_words: int | None = key(None, "Cleaning: drop longer sentences, mostly tables; null: none.", low=1)
    min_document_words: int = key(1, "Cleaning: drop documents of fewer words.", low=1)
    max_document_words: int | None = key(None, "Cleaning: drop documents of more words; null: none.", low=1)
    exact_duplicates: bool = key(True, "Cleaning: keep the first of the documents whose text is the same.")
    near_duplicates: float | None = key(
        None,
        "Cleaning: keep the first of the documents whose sets of five words in a row overlap by this share (MinHash,"
        " extra [dedup]); null: all.",
        low=0.3,
        high=0.99,
    )
    decontaminate: list[str] = key(
        [],
        "Cleaning: task files or folders (devel and test .tsv, .txt, .jsonl); documents that contain one of their"
        " sentences or 80 letters in a row are dropped.",
    )
    validation_share: float = key(
        0.02,
        "Share of documents held out of training, chosen by a hash of their text; two documents at least.",
        low=0.0001,
        high=0.5,
    )


@dataclass
class TokenizerConfig:
    path: str | None = key(
        None,
        "Folder of an existing BERT tokenizer, or hub:NAME of one on the Hub; null trains one on the training"
        " documents.",
    )
    vocab_size: int = key(
        30522,
        "WordPiece entries with special tokens (BERT: 30,522), rounded up to a multiple of 8.",
        low=64,
        high=2**24,
    )
    lowercase: bool = key(True, "Lower-case the text (uncased BERT).")
    strip_accents: bool | None = key(
        None,
        "Take accents off letters, as BERT does where it lower-cases; this also takes the vowels off Hindi and cuts"
        " Hangul in parts. null: only for lower-cased English with less than 1 % of accents.",
    )
    nfkc: bool = key(
        False, "Unicode NFKC first: one form for \u00b5 and \u03bc, K\u207a becomes K+; not in vocab.txt."
    )
    min_frequency: int = key(2, "Least count of a piece that training may add.", low=1)
    unused_tokens: int = key(0, "Slots [unused0], ... for words of your own later.", low=0)
    compare_with: list[str] = key(
        [], "Folders of other tokenizers to compare with in the report.", shapes_result=False
    )
    max_train_characters: float = key(1e9, "Characters to learn from: a random part of a larger corpus.", low=1000)


@dataclass
class PairsConfig:
    max_seq_length: int = key(128, "Most tokens of a pair, with [CLS] and two [SEP].", low=5, high=65536)
    short_seq_probability: float = key(
        0.1, "Share of documents cut to a random length of 2 to max_seq_length - 3 tokens (BERT: 0.1).", low=0, high=1
    )
    short_seq_unit: str = key(
        "document",
        "Whether a short length is drawn once per document (BERT) or for every pair.",
        choices=("document", "pair"),
    )
    nsp_probability: float = key(
        0.5, "Chance that segment B is random text of another document (BERT: 0.5).", low=0, high=1
    )
    balance_labels: bool = key(
        False,
        "Lower that chance until nsp_probability of all pairs have a random B: a chunk of one sentence always has one,"
        " so BERT's rule gives more than half.",
    )
    truncation: str = key(
        "random_tail",
        "random_tail: drop the last token of A or B by a fair coin; longest_first: drop from the longer one, front or"
        " back by a coin (BERT).",
        choices=("random_tail", "longest_first"),
    )
    dupe_factor: int = key(1, "Passes over the training documents, each with new pairs (BERT: 10).", low=1, high=1000)
    refresh_every_epoch: bool = key(
        False, "Make new training pairs for every epoch, from the token ids; none are stored then."
    )
    max_shard_size: str = key("500MB", "Largest Arrow file of the rows.", shapes_result=False)
    num_proc: int = key(1, "Processes that tokenise and write rows.", low=1, high=1024, shapes_result=False)


@dataclass
class MaskingConfig:
    mlm_probability: float = key(
        0.15, "Share of a row's tokens that are predicted, special tokens aside (BERT: 0.15).", low=0.001, high=0.9
    )
    eval_mlm_probability: float = key(
        0.15, "The same for validation, so that runs with other shares compare.", low=0.001, high=0.9
    )
    whole_word_mask: bool = key(True, "Choose whole words (a piece with its ## pieces); false chooses single pieces.")
    max_predictions_per_seq: int | None = key(
        None, "Most tokens of a pair that are predicted (BERT: 20 at 128, 77 at 512); null: no limit.", low=1
    )
    mask_replace_prob: float = key(0.8, "Share of chosen words that become [MASK] (BERT: 0.8).", low=0, high=1)
    random_replace_prob: float = key(
        0.1, "Share of chosen words that become random pieces (BERT: 0.1); the rest is kept.", low=0, high=1
    )


@dataclass
class ModelConfig:
    num_hidden_layers: int = key(12, "Layers (BERT-base: 12).", low=1, high=1000)
    hidden_size: int = key(768, "Width (BERT-base: 768).", low=1)
    num_attention_heads: int = key(12, "Heads; they divide hidden_size (BERT-base: 12).", low=1)
    intermediate_size: int = key(3072, "Width of the feed-forward layer (BERT-base: 3,072).", low=1)
    max_position_embeddings: int = key(512, "Longest input of the model, in tokens.", low=5, high=65536)
    hidden_dropout_prob: float = key(
        0.1, "Dropout that config.json names for fine-tuning (BERT: 0.1); see training.dropout.", low=0, high=0.9
    )
    attention_probs_dropout_prob: float = key(0.1, "The same for attention weights (BERT: 0.1).", low=0, high=0.9)
    vocab_size: int | None = key(
        None, "Rows of the embedding table; null: the tokenizer's size, rounded up to a multiple of 8.", low=64
    )
    initialization: str = key(
        "random",
        "Start of the weights: random (BERT), or informed: word embeddings from the co-occurrences of the training"
        " text, positions as sinusoids, attention to like and near tokens, which saves many steps. Without effect"
        " where training.init_from gives the weights.",
        choices=("random", "informed"),
    )
    decoder_bias: str = key(
        "zeros",
        "Start of the MLM head's bias: zeros (BERT), or unigram: log frequencies of the training text, which saves the"
        " first steps. Without effect where the checkpoint of training.init_from has an MLM head.",
        choices=("zeros", "unigram"),
    )


@dataclass
class TrainingConfig:
    init_from: str | None = key(
        None,
        "Checkpoint to start from: a folder, such as RUN/model of the 128-token phase, or hub:NAME of a BERT of the"
        " Hub (?revision=REVISION). The shape comes from it. Pieces of the tokenizer that it knows keep their"
        " embedding; to keep its tokenizer, name the checkpoint in tokenizer.path too. null: scratch.",
    )
    max_steps: int = key(62500, "Optimizer steps.", low=1)
    global_batch_size: int = key(
        8192, "Pairs per optimizer step over all devices; gradient accumulation follows from it.", low=1, high=2**20
    )
    per_device_batch_size: int = key(64, "Most pairs that one device takes at once.", low=1, shapes_result=False)
    optimizer: str = key(
        "adamw",
        "adamw (BERT), or muon: AdamW with Muon for the matrices of the encoder, which needs fewer tokens.",
        choices=("adamw", "muon"),
    )
    learning_rate: float = key(6e-4, "Peak learning rate; Muon's updates are scaled to it.", low=0, high=10)
    lr_scheduler_type: str = key(
        "linear",
        "After warm-up: down to 0 (linear, cosine), level (constant_with_warmup), or level and then down over"
        " decay_share (warmup_stable_decay).",
        choices=("linear", "cosine", "constant_with_warmup", "warmup_stable_decay"),
    )
    decay_share: float = key(0.1, "Last share of max_steps, in which warmup_stable_decay goes to 0.", low=0, high=1)
    warmup_share: float = key(
        0.1, "Share of max_steps over which the learning rate rises (PubMedBERT: 0.1).", low=0, high=1
    )
    weight_decay: float = key(0.01, "Weight decay, on all but biases and LayerNorm (BERT: 0.01).", low=0, high=1)
    adam_beta1: float = key(0.9, "First AdamW beta.", low=0, high=0.9999)
    adam_beta2: float = key(0.999, "Second AdamW beta (BERT: 0.999).", low=0, high=0.99999)
    adam_epsilon: float = key(1e-6, "AdamW epsilon (BERT: 1e-6).", low=1e-12, high=0.1)
    max_grad_norm: float = key(1.0, "Largest gradient norm, scaled down to it; 0: no limit (BERT: 1.0).", low=0)
    dropout: float = key(0.1, "Dropout while pretraining (BERT: 0.1).", low=0, high=0.9)
    attention_dropout: float | None = key(
        None,
        "Dropout of attention weights while pretraining; null: as dropout. With 0 a GPU takes its fastest kernel.",
        low=0,
        high=0.9,
    )
    group_by_length: bool = key(True, "Put pairs of like length into one batch.")
    bf16: bool | None = key(
        None,
        "Mixed precision in bfloat16; null: on GPUs of 2020 and later, and on CPUs where a short measurement at the"
        " start finds it faster.",
    )
    fp16: bool = key(False, "Mixed precision in float16 with loss scaling, for older GPUs (T4, V100).")
    tf32: bool = key(False, "TensorFloat-32 matrix products, for GPUs of 2020 and later.")
    torch_compile: bool = key(
        False,
        "Let torch.compile fuse layers and head, which takes a minute at the start; for GPUs.",
        shapes_result=False,
    )
    compress_gradients: bool = key(
        False, "Send gradients between GPUs in bfloat16, for slow networks between machines."
    )
    use_cpu: bool = key(False, "Stay on the CPU even where there is a GPU.", shapes_result=False)
    dataloader_num_workers: int = key(
        0, "Processes per device that prepare batches.", low=0, high=256, shapes_result=False
    )
    logging_steps: int = key(50, "Steps between two lines of the log.", low=1, shapes_result=False)
    eval_steps: int = key(1000, "Steps between two validations.", low=1, shapes_result=False)
    eval_pairs: int = key(4096, "Validation pairs that are scored, evenly spread.", low=1, shapes_result=False)
    save_steps: int = key(1000, "Steps between two checkpoints.", low=1, shapes_result=False)
    save_total_limit: int = key(2, "Checkpoints that are kept.", low=1, shapes_result=False)
    max_skipped_steps: int = key(
        0,
        "Steps whose loss or gradient may be NaN or infinite: their update is skipped; one more ends the run.",
        low=0,
        shapes_result=False,
    )
    ddp_timeout: int = key(
        600, "Seconds after which a rank that does not answer ends the job.", low=5, high=86400, shapes_result=False
    )
    report_to: list[str] = key(
        ["tensorboard"],
        "Where the log goes besides the run folder: tensorboard, trackio, wandb, ...; [] for nowhere.",
        shapes_result=False,
    )


@dataclass
class TaskConfig:
    """A task and the protocol that fine-tunes and evaluates a model on it."""

    name: str | None = key(
        None,
        "Task: a name of recipe/tasks/tasks.yaml, embedded:nero (biomedical mentions that `make setup` installs), or a"
        " folder with train.tsv, devel.tsv, test.tsv (word, tab, tag; a blank line after a sentence), a folder with"
        " a task.yaml, or hub:NAME/DATA?type=... (docs/tasks.md); null: no task.",
    )
    data: str | None = key(None, "Folder with the files of a named task; null: data/tasks/NAME.")
    baselines: list[str] = key(
        ["random"],
        "Scored next to the model: random (the same model with random initialisation: what pretraining is worth),"
        " dictionary, majority or shared_words (no model; the one of the task's type), or the folder of a checkpoint.",
    )
    learning_rate: list[float] = key(
        [5e-5],
        "Peak learning rates that are tried; of several, devel chooses (PubMedBERT: 1e-5, 3e-5, 5e-5).",
        low=0,
        high=10,
    )
    random_learning_rate: list[float] | None = key(
        None,
        "The same for random initialisation, which often needs larger ones; null: as learning_rate.",
        low=0,
        high=10,
    )
    batch_size: list[int] = key([32], "Rows per step that are tried (PubMedBERT: 16, 32).", low=1)
    selection_seeds: int = key(
        1, "Seeds that are run at each point of the grid; their mean on devel chooses.", low=1, high=1000
    )
    seeds: list[int] = key(
        [1, 2, 3, 4, 5], "Seeds at the chosen point; mean and deviation over them are reported (PubMedBERT: 5).", low=0
    )
    num_train_epochs: float = key(10, "Most passes over the training rows.", low=0.01, high=1000)
    patience: int | None = key(None, "Stop after so many epochs without a better devel score; null: never.", low=1)
    warmup_share: float = key(0.1, "Share of the steps over which the learning rate rises.", low=0, high=1)
    weight_decay: float = key(0.01, "Weight decay.", low=0, high=1)
    max_seq_length: int | None = key(
        None,
        "Most tokens of a row; longer sentences of entity tasks become overlapping windows, other texts are truncated;"
        " null: what tasks.yaml names for the task, else 128.",
        low=8,
        high=65536,
    )
    max_train_examples: int | None = key(None, "Use only the first so many training examples; null: all.", low=1)
    max_test_examples: int | None = key(None, "Use only the first so many test examples; null: all.", low=1)


@dataclass
class HubConfig:
    repo: str | None = key(None, "NAME/MODEL on the Hub; `domain-bert push --repo` overrides it.")
    private: bool = key(True, "Keep the repository private; `--public` overrides it.")
    domain: str = key("my domain", "What the corpus is about, in two or three words, for the model card.")
    language: str | None = key(
        None, "Language for the model card, in ISO 639 (two or three letters); null: corpus.language."
    )
    license: str | None = key(None, "Licence of the model, such as apache-2.0, for the model card.")
    benchmark: str | None = key(
        None,
        "Data set of the Hub whose benchmark the task's score is listed under, NAME/DATA or NAME/DATA:SUBSET; null:"
        " that of the task, if its files come from the Hub.",
    )


@dataclass
class Recipe:
    """All settings of a run."""

    run_dir: str = key("runs/my-bert", "Folder of everything that the run makes.", shapes_result=False)
    seed: int = key(1, "Where all randomness starts.", low=0, high=2**31 - 1)
    verify_files: bool = key(
        True,
        "Compare every file of the run that a stage reads with its sha256, once per start; false: only whether it is"
        " there.",
        shapes_result=False,
    )
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    pairs: PairsConfig = field(default_factory=PairsConfig)
    masking: MaskingConfig = field(default_factory=MaskingConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    hub: HubConfig = field(default_factory=HubConfig)
    # The keys that were written, also those with their default: what a checkpoint cannot follow is refused, while what
    # nobody wrote is taken from it.
    written: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    def __post_init__(self) -> None:
        for place, config_field, value in self.entries():
            _check_range(place, config_field, value)
        _check_sizes(self)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.run_dir)

    def entries(self) -> list[tuple[str, dataclasses.Field, Any]]:
        """All (key, field, value), the key as on the command line: "seed", "pairs.max_seq_length"."""
        found = []
        for top in fields(self):
            value = getattr(self, top.name)
            if top.name == "written":
                continue
            if dataclasses.is_dataclass(value):
                found += [(f"{top.name}.{inner.name}", inner, getattr(value, inner.name)) for inner in fields(value)]
            else:
                found.append((top.name, top, value))
        return found

    def settings(self, *sections: str, only_shaping: bool = True) -> dict[str, Any]:
        """The values of some sections or single keys ("pairs", "seed", "model.vocab_size"), by key.

        Passwords and signatures of URLs are masked: what is returned goes into records and messages, and a URL that
        was signed anew is no change.

        Args:
            only_shaping: leave out what does not shape a result.
        """
        return {
            place: masked_urls_in(value)
            for place, config_field, value in self.entries()
            if {place, place.split(".")[0]} & set(sections)
            and (config_field.metadata["shapes_result"] or not only_shaping)
        }

    def to_yaml(self) -> str:
        """The recipe as YAML that `load_recipe` reads back; passwords and signatures of URLs are masked."""
        sections: dict[str, Any] = {}
        for place, _, value in self.entries():
            section, _, name = place.rpartition(".")
            (sections.setdefault(section, {}) if section else sections)[name] = masked_urls_in(value)
        return yaml.safe_dump(sections, sort_keys=False, allow_unicode=True)


def check_ranges(section: Any, name: str) -> None:
    """Refuse values of one section, such as a `PairsConfig` made by hand, that its keys do not take.

    Raises:
        InputError: for a value out of range, named NAME.KEY.
    """
    for config_field in fields(section):
        _check_range(f"{name}.{config_field.name}", config_field, getattr(section, config_field.name))


def check_task(task: TaskConfig, prefix: str) -> None:
    """Refuse values that no protocol can use; `prefix` stands before the key in a message.

    Raises:
        InputError: for a value out of range, or a list that is empty or names a number twice.
    """
    for config_field in fields(task):
        place, value = f"{prefix}{config_field.name}", getattr(task, config_field.name)
        for number in value if isinstance(value, list) else [value]:
            _check_range(place, config_field, number)
        # A repeated seed or rate would count one run twice in a mean.
        if isinstance(value, list) and config_field.name != "baselines" and (not value or len({*value}) < len(value)):
            raise InputError(f"{place} is {value}; it takes one or more different numbers, such as 1e-5,3e-5")


def _check_range(place: str, config_field: dataclasses.Field, value: Any) -> None:
    limits = config_field.metadata
    if limits["choices"] and value not in limits["choices"]:
        raise InputError(f"{place} is {value!r}; it takes one of {', '.join(limits['choices'])}")
    if config_field.name == "run_dir" and not str(value).strip():
        raise InputError(f"{place} is {value!r}; it takes the name of a folder, such as runs/my-bert")
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return
    # No count of this recipe needs more, and libraries keep them in 32 or 64 bits.
    if abs(value) >= 2**31:
        raise InputError(f"{place} is {str(value)[:30]}; it must be less than {2**31:,}")
    # A NaN differs from itself and passes every comparison with a limit.
    if (
        value != value
        or (limits["low"] is not None and value < limits["low"])
        or (limits["high"] is not None and value > limits["high"])
    ):
        must = "be" if limits["high"] is None else "lie in"
        raise InputError(f"{place} is {value}; it must {must} {range_text(config_field)}")


def range_text(config_field: dataclasses.Field) -> str:
    """The range of a numeric key in words, empty if it has none: "0 to 1", "1 or more"."""
    low, high = config_field.metadata["low"], config_field.metadata["high"]
    if low is None and high is None:
        return ""
    return f"{low} or more" if high is None else f"{low} to {high}"


def _check_sizes(recipe: Recipe) -> None:
    """Refuse values that are fine alone but not together.

    Raises:
        InputError: for the first pair of keys that contradict each other.
    """
    tokenizer, pairs, model = recipe.tokenizer, recipe.pairs, recipe.model
    training, masking, task = recipe.training, recipe.masking, recipe.task
    positions, batch, device_batch = (
        model.max_position_embeddings,
        training.global_batch_size,
        training.per_device_batch_size,
    )
    # Of an existing tokenizer the size is known when its folder is read; see recipe/pipeline/inputs.py.
    vocab_size = -(-tokenizer.vocab_size // 8) * 8 if tokenizer.path is None else 0
    check_task(task, "task.")
    # A table, so that a new rule is one more entry and the order is that of the messages.
    for is_wrong, why in (
        (
            pairs.refresh_every_epoch and pairs.dupe_factor > 1,
            f"pairs.refresh_every_epoch makes a new pass for every epoch, so pairs.dupe_factor {pairs.dupe_factor}"
            " has no meaning; set it to 1",
        ),
        (
            not re.fullmatch(r"[1-9][0-9]*\s?[KMGT]B", pairs.max_shard_size),
            f"pairs.max_shard_size is {pairs.max_shard_size!r}; write a size such as 500MB or 2GB",
        ),
        (
            pairs.max_seq_length > positions,
            f"pairs.max_seq_length is {pairs.max_seq_length}, but model.max_position_embeddings is {positions}: the"
            " model has no positions for such rows; lower the first or raise the second",
        ),
        (
            task.data is not None and task.name is None,
            f"task.data is {task.data!r}, but task.name is null; set task.name to the task's name",
        ),
        (
            task.name is not None and (task.max_seq_length or 0) > positions,
            f"task.max_seq_length is {task.max_seq_length}, but model.max_position_embeddings is {positions}; lower"
            " the first or raise the second",
        ),
        (
            # With init_from the shape is the checkpoint's, which is read later.
            training.init_from is None and model.hidden_size % model.num_attention_heads,
            f"model.hidden_size {model.hidden_size} is not a multiple of model.num_attention_heads"
            f" {model.num_attention_heads}; change one of them",
        ),
        (
            model.vocab_size is not None and vocab_size > model.vocab_size,
            f"tokenizer.vocab_size {tokenizer.vocab_size}, rounded up to a multiple of 8, is larger than"
            f" model.vocab_size {model.vocab_size}: some pieces would have no embedding; set model.vocab_size to null"
            " or to a larger number",
        ),
        (
            tokenizer.unused_tokens > tokenizer.vocab_size // 2,
            f"tokenizer.unused_tokens {tokenizer.unused_tokens} leaves less than half of tokenizer.vocab_size"
            f" {tokenizer.vocab_size} to the text; lower the first or raise the second",
        ),
        (
            training.lr_scheduler_type == "warmup_stable_decay" and training.warmup_share + training.decay_share > 1,
            f"training.warmup_share {training.warmup_share} and training.decay_share {training.decay_share} exceed 1"
            " together; lower one of them",
        ),
        (
            training.bf16 and training.fp16,
            "training.bf16 and training.fp16 exclude each other; switch one of them off",
        ),
        (
            masking.mask_replace_prob + masking.random_replace_prob > 1,
            f"masking.mask_replace_prob {masking.mask_replace_prob} and masking.random_replace_prob"
            f" {masking.random_replace_prob} exceed 1 together",
        ),
        (
            batch > device_batch and batch % device_batch,
            f"training.global_batch_size {batch} is not a multiple of training.per_device_batch_size {device_batch};"
            " choose a divisor of it",
        ),
    ):
        if is_wrong:
            raise InputError(why)
