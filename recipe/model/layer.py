"""Stock layers and head on rows without padding: modules of the stock model that also take such rows."""

import functools
from typing import Any

import torch
from transformers.models.bert.modeling_bert import BertEmbeddings, BertLayer, BertLMPredictionHead, BertModel

from recipe.model.attention import Rows, attend
from recipe.model.cross_entropy import vocabulary_loss


class PretrainingEmbeddings(BertEmbeddings):
    """The stock embeddings, also of rows without padding; parameters and their names are those of its parent."""

    def forward(  # type: ignore[override]
        self,
        input_ids: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        **options: Any,
    ) -> torch.Tensor:
        """Of ids of shape (tokens,) the states, shape (tokens, hidden); of others the stock forward."""
        if input_ids is None or position_ids is None or input_ids.dim() > 1:
            return super().forward(input_ids, token_type_ids, position_ids, **options)  # type: ignore[arg-type]
        return self.added_up(input_ids, token_type_ids, position_ids)

    def added_up(
        self, input_ids: torch.Tensor, token_type_ids: torch.Tensor | None, position_ids: torch.Tensor
    ) -> torch.Tensor:
        """The three embeddings of each token, normalised."""
        table = self.token_type_embeddings
        segments = table.weight[0] if token_type_ids is None else table(token_type_ids)
        states = self.word_embeddings(input_ids) + segments + self.position_embeddings(position_ids)
        return self.dropout(self.LayerNorm(states))  # type: ignore[no-any-return]


class PretrainingLayer(BertLayer):
    """The stock layer, also for rows without padding; parameters and their names are those of its parent."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        *arguments: Any,
        queries: torch.Tensor | None = None,
        rows: Rows | None = None,
        **options: Any,
    ) -> torch.Tensor:
        """With `rows` the output at the queries, each of which sees the tokens of its row; else the stock forward.

        Args:
            hidden_states: shape (tokens, hidden). queries: shape (queries, hidden); None: all tokens.
        """
        if rows is None:
            return super().forward(hidden_states, *arguments, **options)
        queries = hidden_states if queries is None else queries
        attention = self.attention.self
        heads = attention.num_attention_heads
        query, key, value = (part.unflatten(-1, (heads, -1)) for part in self.projected(hidden_states, queries))
        attended = attend(query, key, value, rows, attention.dropout.p if attention.training else 0.0)
        return self.finished(attended.flatten(1), queries)

    def projected(self, hidden: torch.Tensor, queries: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Query, key and value, shape (queries or tokens, hidden)."""
        attention = self.attention.self
        if queries is hidden:
            return _together((attention.query, attention.key, attention.value), hidden)
        return attention.query(queries), *_together((attention.key, attention.value), hidden)

    def finished(self, attended: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """All that follows attention."""
        return self.feed_forward_chunk(self.attention.output(attended, queries))  # type: ignore[no-any-return]


class PretrainingHead(BertLMPredictionHead):
    """The stock MLM head, also with targets; parameters and their names are those of its parent."""

    def forward(self, hidden_states: torch.Tensor, targets: torch.Tensor | None = None) -> Any:
        """With targets what `vocabulary_loss` returns for these states; else the logits."""
        if targets is None:
            return super().forward(hidden_states)
        return self.losses(hidden_states, targets)

    def losses(
        self, states: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Summed cross-entropy, how many predictions are right, and the predictions."""
        return vocabulary_loss(self.transform(states), self.decoder.weight, self.decoder.bias, targets)


def take_rows(bert: BertModel) -> None:
    """Let embeddings and layers of a stock model take rows without padding."""
    # The class is exchanged, not the module: parameters, their initial values and their names stay what they were.
    bert.embeddings.__class__ = PretrainingEmbeddings
    for layer in bert.encoder.layer:
        layer.__class__ = PretrainingLayer


def compile_parts(bert: BertModel, head: PretrainingHead, backend: Any = "inductor") -> None:
    """Let torch.compile fuse the embeddings, what lies between attention kernels, and the head with its loss.

    One program serves all layers and any number of tokens.
    """
    compiled = functools.partial(torch.compile, dynamic=True, fullgraph=True, backend=backend)
    # Attention stays outside: its kernels are closed programs that nothing could be fused with, and so every one of
    # them, and the runs of rows of the CPU, goes with compiled parts.
    embeddings = bert.embeddings
    embeddings.added_up = functools.partial(compiled(PretrainingEmbeddings.added_up), embeddings)  # type: ignore
    parts = {name: compiled(getattr(PretrainingLayer, name)) for name in ("projected", "finished")}
    for layer in bert.encoder.layer:
        for name, part in parts.items():
            setattr(layer, name, functools.partial(part, layer))
    head.losses = functools.partial(compiled(PretrainingHead.losses), head)  # type: ignore[method-assign]


def states_at(
    bert: BertModel,
    input_ids: torch.Tensor,
    token_type_ids: torch.Tensor | None,
    position_ids: torch.Tensor,
    cu_seq_lens: torch.Tensor,
    read_positions: torch.Tensor,
    read_cu_seq_lens: torch.Tensor,
    runs: list[tuple[int, int, int]],
) -> torch.Tensor:
    """Last hidden states at the positions that a head reads, shape (reads, hidden). Rows do not see each other.

    Args:
        bert: after `take_rows`. input_ids, token_type_ids: shape (tokens,).
        The rest as `recipe.model.layout.layout_of` makes it.
    """
    hidden = bert.embeddings(input_ids=input_ids, token_type_ids=token_type_ids, position_ids=position_ids)
    rows = Rows.of_all(cu_seq_lens, runs)
    *layers, last = bert.encoder.layer
    for layer in layers:
        hidden = layer(hidden, rows=rows)
    # Heads read 15 % of the positions and [CLS], so the last layer runs there only. Its keys and values are those of
    # all tokens, so this is exact.
    read = Rows(read_cu_seq_lens, cu_seq_lens, runs)
    return last(hidden, queries=hidden.index_select(0, read_positions), rows=read)  # type: ignore[no-any-return]


def _together(modules: tuple[torch.nn.Linear, ...], states: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What each linear module makes of the states."""
    # One matrix product is faster than several narrow ones, although the weights are copied for it.
    weight, bias = torch.cat([module.weight for module in modules]), torch.cat([module.bias for module in modules])
    return torch.nn.functional.linear(states, weight, bias).chunk(len(modules), -1)
