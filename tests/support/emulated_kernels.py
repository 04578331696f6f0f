"""What torch's attention kernels for GPUs compute, row by row on the CPU, so that tests/gpu can be rehearsed there."""

import torch

# FlashAttention 2 draws 8 bits for a weight and keeps it up to floor(255 * (1 - p)) (pytorch/pytorch@v2.13.0,
# aten/src/ATen/native/transformers/cuda/flash_attn/flash_api.cpp, set_params_fprop).
FLASH_DRAWS = 256


def flash_dropout(probability: float) -> float:
    """The share of weights that FlashAttention drops when it is asked for a probability."""
    return 1 - (int((1 - probability) * (FLASH_DRAWS - 1)) + 1) / FLASH_DRAWS


def flash(query, key, value, cum_seq_q, cum_seq_k, max_q, max_k, dropout_p, is_causal, return_debug_mask):
    """As aten::_flash_attention_forward: the output, and what is of no use here."""
    assert not is_causal
    assert not return_debug_mask
    bounds, longest = (cum_seq_q, cum_seq_k), (max_q, max_k)
    return (
        attended(query, key, value, bounds, longest, flash_dropout(dropout_p) if dropout_p else 0.0, 1 - dropout_p),
    )


def efficient(query, key, value, bias, cu_q, cu_k, max_q, max_k, dropout_p, custom_mask_type, *, compute_log_sumexp):
    """As aten::_efficient_attention_forward: rows in a batch of one."""
    assert bias is None
    assert not dropout_p, "its backward pass would drop other weights"
    assert custom_mask_type == 0
    assert compute_log_sumexp == query.requires_grad, "without it there is no backward pass"
    states = [each.squeeze(0) for each in (query, key, value)]
    return (attended(*states, (cu_q, cu_k), (max_q, max_k), 0.0, 1.0)[None],)


def attended(query, key, value, bounds, longest, dropped: float, kept: float):
    """Attention row by row in float32; a weight is dropped with `dropped`, and the others are divided by `kept`."""
    assert all(each.dtype == torch.int32 for each in bounds)
    assert all(int(each.diff().max()) <= limit for each, limit in zip(bounds, longest, strict=True))
    output = []
    for number in range(len(bounds[0]) - 1):
        queries, keys = (slice(*each[number : number + 2].tolist()) for each in bounds)
        scores = torch.einsum("qhd,khd->hqk", query[queries].float(), key[keys].float())
        weights = (scores * query.shape[-1] ** -0.5).softmax(-1)
        if dropped:
            weights = torch.where(torch.rand_like(weights) < dropped, 0.0, weights) / kept
        output.append(torch.einsum("hqk,khd->qhd", weights, value[keys].float()))
    return torch.cat(output).to(query.dtype)
