"""A stock layer on rows that lie one after another, without a padding token between them."""

import functools
from dataclasses import dataclass
from itertools import groupby

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers.models.bert.modeling_bert import BertLayer, BertModel
from transformers.utils import is_flash_attn_2_available

from recipe.model.dropout import drop


@dataclass(frozen=True)
class Rows:
    """Where rows lie. lengths: int64, shape (rows,). bounds: int32, shape (rows + 1,). Both on the device."""

    lengths: torch.Tensor
    bounds: torch.Tensor

    @classmethod
    def of(cls, lengths: torch.Tensor) -> "Rows":
        """Rows of these lengths."""
        return cls(lengths, torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).int())

    @functools.cached_property
    def sizes(self) -> list[int]:
        """The lengths, on the host."""
        return self.lengths.tolist()  # type: ignore[no-any-return]


def states_at(
    bert: BertModel,
    cu_seq_lens: torch.Tensor,
    positions: torch.Tensor,
    input_ids: torch.Tensor,
    token_type_ids: torch.Tensor | None = None,
) -> torch.Tensor:
    """Last hidden states at the positions that a head reads, shape (read tokens, hidden). Rows do not see each other.

    Args:
        cu_seq_lens: where each row begins and the last one ends, shape (rows + 1,).
        positions: of the read tokens in their order, or a bool for each token.
        input_ids, token_type_ids: shape (1, tokens).
    """
    rows = Rows.of(cu_seq_lens.diff().long())
    row_of_token = torch.arange(len(rows.lengths), device=input_ids.device).repeat_interleave(rows.lengths)
    position_ids = torch.arange(input_ids.shape[1], device=input_ids.device) - cu_seq_lens[:-1][row_of_token]
    hidden = bert.embeddings(input_ids=input_ids, token_type_ids=token_type_ids, position_ids=position_ids[None])[0]
    *layers, last = bert.encoder.layer
    for layer in layers:
        hidden = layer_without_padding(layer, hidden, hidden, rows, rows)
    # The last layer runs for the read positions only. Its keys and values are those of all tokens, so this is exact.
    row_of_read = row_of_token[positions]
    read_of_row = torch.zeros_like(rows.lengths).index_add_(0, row_of_read, torch.ones_like(row_of_read))
    return layer_without_padding(last, hidden[positions], hidden, Rows.of(read_of_row), rows)


def layer_without_padding(
    layer: BertLayer, queries: torch.Tensor, hidden: torch.Tensor, query_rows: Rows, rows: Rows
) -> torch.Tensor:
    """The layer's output for some queries, each of which sees the tokens of its row in `hidden`.

    Args:
        queries: shape (queries, hidden), in the rows `query_rows`. hidden: shape (tokens, hidden), in the rows `rows`.
    """
    # The layer is called by its parts: an attention function of the library could not be told that the last layer has
    # other queries than keys.
    attention = layer.attention.self
    if queries is hidden:
        states = _together((attention.query, attention.key, attention.value), hidden)
    else:
        states = (attention.query(queries), *_together((attention.key, attention.value), hidden))
    query, key, value = (part.unflatten(-1, (attention.num_attention_heads, -1)) for part in states)
    dropout = attention.dropout.p if attention.training else 0.0
    attend = _by_flash_attention if can_flash(query) else _by_runs
    attended = attend(query, key, value, query_rows, rows, dropout).flatten(1)
    return layer.feed_forward_chunk(layer.attention.output(attended, queries))  # type: ignore[no-any-return]


def _together(modules: tuple[torch.nn.Linear, ...], states: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What each linear module makes of the states."""
    # One matrix product is faster than several narrow ones, although the weights are copied for it.
    weight, bias = torch.cat([module.weight for module in modules]), torch.cat([module.bias for module in modules])
    return torch.nn.functional.linear(states, weight, bias).chunk(len(modules), -1)


def can_flash(states: torch.Tensor) -> bool:
    """Whether the kernel of the package flash-attn takes these states: in half precision, on a GPU."""
    return states.is_cuda and states.dtype in (torch.float16, torch.bfloat16) and is_flash_attn_2_available()


def _by_flash_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, query_rows: Rows, rows: Rows, dropout: float
) -> torch.Tensor:
    """All rows in one kernel; shapes (tokens, heads, size of a head)."""
    from flash_attn import flash_attn_varlen_func

    longest = max(query_rows.sizes), max(rows.sizes)
    bounds = query_rows.bounds, rows.bounds
    return flash_attn_varlen_func(query, key, value, *bounds, *longest, dropout_p=dropout)  # type: ignore


def _by_runs(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, query_rows: Rows, rows: Rows, dropout: float
) -> torch.Tensor:
    """Neighbours of equal lengths in one go; shapes (tokens, heads, size of a head)."""
    # Rows of one length need no mask, and only without a mask the fast kernel of the CPU runs. The collator sorts rows
    # by length, so there are few runs.
    runs = [(len(list(same)), *sizes) for sizes, same in groupby(zip(query_rows.sizes, rows.sizes, strict=True))]

    def parts(states: torch.Tensor, runs: list[tuple[int, int]]) -> list[torch.Tensor]:
        pieces = states.split([number * size for number, size in runs])
        return [piece.unflatten(0, run).transpose(1, 2) for piece, run in zip(pieces, runs, strict=True)]

    of_queries, of_rows = [(number, size) for number, size, _ in runs], [(number, size) for number, _, size in runs]
    triples = zip(parts(query, of_queries), parts(key, of_rows), parts(value, of_rows), strict=True)
    return torch.cat([_attended(*triple, dropout).transpose(1, 2).flatten(0, 1) for triple in triples])


def _attended(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, dropout: float) -> torch.Tensor:
    # With dropout torch has no fast kernel on CPUs, and its own path draws its numbers slowly.
    if dropout and query.device.type == "cpu":
        weights = ((query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)).softmax(-1)
        return drop(weights, dropout) @ value
    return scaled_dot_product_attention(query, key, value, None, dropout)
