"""BertForSequenceClassification that also takes batches without padding; its checkpoints are standard."""

import torch
import transformers
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from transformers.modeling_outputs import SequenceClassifierOutput

from recipe.model.layer import states_at, take_rows

# By `problem_type` of config.json.
LOSSES = {
    "single_label_classification": cross_entropy,
    "multi_label_classification": binary_cross_entropy_with_logits,
    "regression": lambda logits, labels: mse_loss(logits.squeeze(-1), labels),
}


# It has its parent's name because `save_pretrained` writes the name into config.json, where others must find a class
# that they have.
class BertForSequenceClassification(transformers.BertForSequenceClassification):
    """The stock model, also for `unpadded` batches: same loss and gradients, and the last layer runs only at [CLS]."""

    def __init__(self, config):
        super().__init__(config)
        take_rows(self.bert)

    def forward(self, input_ids=None, labels=None, token_type_ids=None, **inputs):
        """With a layout logits of shape (rows, labels) and the mean loss over rows; else the stock forward."""
        if "cu_seq_lens" not in inputs:
            return super().forward(input_ids=input_ids, labels=labels, token_type_ids=token_type_ids, **inputs)
        # The Trainer gives it to every forward that takes more arguments.
        inputs.pop("num_items_in_batch", None)
        states = states_at(self.bert, input_ids, token_type_ids, **inputs)
        logits = self.classifier(self.dropout(torch.tanh(self.bert.pooler.dense(states))))
        loss = None if labels is None else LOSSES[self.config.problem_type](logits.float(), labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)
