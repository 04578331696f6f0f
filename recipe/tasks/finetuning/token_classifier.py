"""BertForTokenClassification that also takes batches without padding; its checkpoints are standard."""

import transformers
from torch.nn.functional import cross_entropy
from transformers.modeling_outputs import TokenClassifierOutput

from recipe.model.layer import states_at, take_rows


# It has its parent's name because `save_pretrained` writes the name into config.json, where others must find a class
# that they have.
class BertForTokenClassification(transformers.BertForTokenClassification):
    """The stock model, also for `unpadded` batches: same loss and gradients; the last layer runs only at labels."""

    def __init__(self, config):
        super().__init__(config)
        take_rows(self.bert)

    def forward(self, input_ids=None, labels=None, token_type_ids=None, **inputs):
        """With a layout logits of shape (reads, labels) and the mean loss over reads; else the stock forward."""
        if "cu_seq_lens" not in inputs:
            return super().forward(input_ids=input_ids, labels=labels, token_type_ids=token_type_ids, **inputs)
        # The Trainer gives it to every forward that takes more arguments.
        inputs.pop("num_items_in_batch", None)
        logits = self.classifier(self.dropout(states_at(self.bert, input_ids, token_type_ids, **inputs)))
        loss = None if labels is None else cross_entropy(logits.float(), labels)
        return TokenClassifierOutput(loss=loss, logits=logits)
