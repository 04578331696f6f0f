"""BertForTokenClassification that also takes batches without padding; its checkpoints are standard."""

import torch
import transformers
from torch.nn.functional import cross_entropy
from transformers.modeling_outputs import TokenClassifierOutput

from recipe.unpadded import Rows, layer_without_padding


class BertForTokenClassification(transformers.BertForTokenClassification):
    """The stock model, whose forward also takes `recipe.tasks.collation.unpadded` batches: no layer touches padding, and the last one runs only where a
    label is read. Loss, logits and gradients are the stock model's.

    It has its parent's name because `save_pretrained` writes the name into config.json, where others must find a class that they have.
    """

    def forward(self, input_ids=None, labels=None, cu_seq_lens=None, reads=None, **inputs):
        """Without `cu_seq_lens` the stock forward; with it logits of shape (reads, labels) and the mean loss over the reads."""
        if cu_seq_lens is None:
            return super().forward(input_ids=input_ids, labels=labels, **inputs)
        logits = self.classifier(self.dropout(self._states(input_ids, cu_seq_lens, reads)))
        return TokenClassifierOutput(loss=None if labels is None else cross_entropy(logits.float(), labels), logits=logits)

    def _states(self, input_ids: torch.Tensor, cu_seq_lens: torch.Tensor, reads: torch.Tensor) -> torch.Tensor:
        """Last hidden states at the reads, shape (reads, hidden)."""
        rows = Rows.of(cu_seq_lens.diff())
        row_of_token = torch.arange(len(rows.lengths), device=input_ids.device).repeat_interleave(rows.lengths)
        places = torch.arange(input_ids.shape[1], device=input_ids.device) - cu_seq_lens[:-1][row_of_token]
        hidden = self.bert.embeddings(input_ids=input_ids, position_ids=places[None])[0]
        *layers, last = self.bert.encoder.layer
        for layer in layers:
            hidden = layer_without_padding(layer, hidden, hidden, rows, rows)
        reads_of_row = torch.zeros_like(rows.lengths).index_add_(0, row_of_token[reads], torch.ones_like(reads))
        return layer_without_padding(last, hidden[reads], hidden, Rows.of(reads_of_row), rows)
