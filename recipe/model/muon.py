"""`MuonAdamW`: Muon for the matrices of the encoder, AdamW for all other weights, as one optimizer."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch.optim.adamw import adamw

# Coefficients of the quintic Newton-Schulz iteration, its number of steps, and the momentum: K. Jordan and others,
# Muon: An optimizer for hidden layers in neural networks (2024).
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_MOMENTUM = 0.95
# Makes the root mean square of an update that of AdamW, so that one learning rate and one weight decay serve both: Liu
# and others, Muon is Scalable for LLM Training (arXiv 2502.16982), section 2.2.
_RMS_OF_ADAMW = 0.2


class MuonAdamW(torch.optim.Optimizer):
    """AdamW whose update of some matrices is their momentum, orthogonalized (Muon).

    Args:
        groups: parameter groups with their weight_decay, such as the Trainer makes.
        matrices: those of the parameters, of two dimensions, that Muon takes: the hidden ones, not embeddings.
        iteration_dtype: numbers in which the iteration computes; bfloat16 is precise enough.
        lr, betas, eps: as for AdamW.
    """

    # As of torch's fused optimizers: a gradient scaler leaves `found_inf` and `grad_scale` to `step`.
    _step_supports_amp_scaling = True

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        matrices: Iterable[torch.nn.Parameter],
        iteration_dtype: torch.dtype,
        lr: float,
        betas: tuple[float, float],
        eps: float,
    ) -> None:
        chosen = {id(matrix) for matrix in matrices}
        split = []
        for group in groups:
            for is_muon in (False, True):
                members = [each for each in group["params"] if (id(each) in chosen) == is_muon]
                split.append({**group, "params": members, "is_muon": is_muon})
        super().__init__([group for group in split if group["params"]], {"lr": lr, "betas": betas, "eps": eps})
        self._iteration_dtype = iteration_dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of all parameters; none where `found_inf` is 1, without a word to the host."""
        scale, found_inf = getattr(self, "grad_scale", None), getattr(self, "found_inf", None)
        for group in self.param_groups:
            members = [each for each in group["params"] if each.grad is not None]
            if group["is_muon"]:
                by_shape: dict[torch.Size, list[torch.Tensor]] = defaultdict(list)
                for each in members:
                    by_shape[each.shape].append(each)
                for alike in by_shape.values():
                    self._muon(alike, group, scale, found_inf)
            elif members:
                self._adamw(members, group, scale, found_inf)

    def _adamw(self, members: list[torch.nn.Parameter], group: dict, scale: Any, found_inf: Any) -> None:
        for each in members:
            if not self.state[each]:
                moments = {name: torch.zeros_like(each) for name in ("exp_avg", "exp_avg_sq")}
                self.state[each] = {"step": torch.zeros((), device=each.device), **moments}
        states = [self.state[each] for each in members]
        adamw(
            members,  # type: ignore[arg-type]
            _gradients(members),
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            max_exp_avg_sqs=[],
            state_steps=[state["step"] for state in states],
            fused=True,
            grad_scale=scale,
            found_inf=found_inf,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )

    def _muon(self, alike: list[torch.Tensor], group: dict, scale: Any, found_inf: Any) -> None:
        """Update matrices of one shape together: many small products cost more than one of a batch."""
        gradients = torch.stack(_gradients(alike))
        if scale is not None:
            gradients /= scale
        for each in alike:
            if not self.state[each]:
                self.state[each]["momentum"] = torch.zeros_like(each)
        kept_momenta = [self.state[each]["momentum"] for each in alike]
        before = torch.stack(kept_momenta)
        momenta = before.lerp(gradients, 1 - _MOMENTUM)
        # Nesterov's form: the momentum as it would be after this gradient came once more.
        directions = orthogonalized(gradients.lerp(momenta, _MOMENTUM), self._iteration_dtype)
        updates = directions * (group["lr"] * _RMS_OF_ADAMW * max(alike[0].shape) ** 0.5)
        kept: Any = 1 - group["lr"] * group["weight_decay"]
        if found_inf is not None:
            is_skipped = found_inf.bool()
            momenta = torch.where(is_skipped, before, momenta)
            updates = updates.masked_fill(is_skipped, 0)
            kept = torch.where(is_skipped, 1.0, kept)
        # On a GPU one kernel for all matrices; one by one, starting the kernels takes longer than the iteration.
        torch._foreach_copy_(kept_momenta, momenta.unbind())
        torch._foreach_mul_(alike, kept)
        torch._foreach_sub_(alike, updates.unbind())


def _gradients(members: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return [each.grad for each in members if each.grad is not None]


def orthogonalized(matrices: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Nearly U V^T of each matrix U S V^T: its singular values become about 1 (0.7 to 1.2).

    Args:
        matrices: shape (number, rows, columns). dtype: numbers in which the iteration computes.

    Returns:
        The same shape and dtype as `matrices`.
    """
    a, b, c = _COEFFICIENTS
    # The products of the iteration have the size of the first dimension, so it is the smaller one.
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if is_tall else matrices).to(dtype)
    # The iteration converges where no singular value is above 1; the Frobenius norm is never below the largest.
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return (x.mT if is_tall else x).to(matrices.dtype)
