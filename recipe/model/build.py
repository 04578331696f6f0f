"""A recipe whose tokens are stored -> the model that training begins with."""

from recipe.config import Recipe
from recipe.inputs.hub_folder import HUB, local_folder
from recipe.model.bert import BertForPreTraining, bert_config, fresh_model, take_unigrams
from recipe.model.dropout import set_dropout
from recipe.model.informed import inform
from recipe.model.start import MLM_HEAD, Start, start_from
from recipe.privacy.secrets import masked
from recipe.processes import is_first_process
from recipe.run_folder.events import log_event
from recipe.tokenizer.folder import load_tokenizer
from recipe.tokens.store import open_token_store, token_counts


def make_model(recipe: Recipe, tokenizer_size: int, pad_token_id: int) -> BertForPreTraining:
    """A fresh model, or the one of training.init_from with this tokenizer's vocabulary; with training.dropout.

    Raises:
        InputError: if a vocabulary has more entries than its model embeddings, or the checkpoint cannot be read.
    """
    store, seed = open_token_store(recipe.folder / "store" / "train"), recipe.seed
    has_unigrams = recipe.model.decoder_bias == "unigram"
    config = bert_config(recipe.model, tokenizer_size, pad_token_id)
    if recipe.training.init_from is not None:
        start = _start(recipe)
        model = start.model
        if has_unigrams and MLM_HEAD in start.fresh:
            take_unigrams(model, token_counts(store, tokenizer_size))
    else:
        model = fresh_model(config, seed, token_counts(store, config.vocab_size) if has_unigrams else None)
        if recipe.model.initialization == "informed":
            inform(model.bert, store, seed)
    training = recipe.training
    set_dropout(model, training.dropout)
    for layer in model.bert.encoder.layer:
        if training.attention_dropout is not None:
            layer.attention.self.dropout.p = training.attention_dropout
    return model


def _start(recipe: Recipe) -> Start:
    """The model of training.init_from; says what of it is not from there."""
    name = recipe.training.init_from or ""
    folder = local_folder(name, "training.init_from", with_weights=True)
    tokenizer, old = load_tokenizer(recipe.folder / "tokenizer"), load_tokenizer(folder)
    start = start_from(folder, tokenizer, old, recipe.model.vocab_size, recipe.seed)
    for each in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        setattr(start.model.config, each, getattr(recipe.model, each))
    # Of a model of the Hub the folder of the cache is called as the commit.
    commit = folder.name if name.startswith(HUB) else None
    if is_first_process():
        print(f"pretrain: starts from {name}{f' at commit {commit}' if commit else ''}; {start.line()}", flush=True)
        if recipe.model.initialization == "informed":
            print("pretrain: model.initialization has no effect, since training.init_from gives the weights")
    log_event(recipe.folder, "init", stage="pretrain", init_from=masked(name), hub_commit=commit, start=start.line())
    return start
