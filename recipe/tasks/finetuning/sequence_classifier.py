"""BertForSequenceClassification that also takes batches without padding; its checkpoints are standard."""

from typing import Any

import torch
import transformers
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from transformers import AutoModelForSequenceClassification
from transformers.modeling_outputs import SequenceClassifierOutput

from recipe.model.attention import states_at

# By `problem_type` of config.json.
LOSSES = {
    "single_label_classification": cross_entropy,
    "multi_label_classification": binary_cross_entropy_with_logits,
    "regression": lambda logits, labels: mse_loss(logits.squeeze(-1), labels),
}


class BertForSequenceClassification(transformers.BertForSequenceClassification):
    """The stock model, whose forward also takes `recipe.tasks.finetuning.collation.unpadded` batches: no layer touches
    padding, and the last one runs only at [CLS]. Loss, logits and gradients are the stock model's.

    It has its parent's name because `save_pretrained` writes the name into config.json, where others must find a class
    that they have.
    """

    def forward(self, input_ids=None, labels=None, cu_seq_lens=None, reads=None, token_type_ids=None, **inputs):
        """Without `cu_seq_lens` the stock forward; with it logits of shape (rows, labels) and the mean loss over the
        rows, in the order of the batch.
        """
        if cu_seq_lens is None:
            return super().forward(input_ids=input_ids, labels=labels, token_type_ids=token_type_ids, **inputs)
        states = states_at(self.bert, cu_seq_lens, reads, input_ids, token_type_ids)
        logits = self.classifier(self.dropout(torch.tanh(self.bert.pooler.dense(states))))
        loss = None if labels is None else LOSSES[self.config.problem_type](logits.float(), labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def sequence_classifier_class(model_type: str) -> Any:
    """Ours for BERT, else what transformers has for the type."""
    return BertForSequenceClassification if model_type == "bert" else AutoModelForSequenceClassification
