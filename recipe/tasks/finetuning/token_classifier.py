"""BertForTokenClassification that also takes batches without padding; its checkpoints are standard."""

import transformers
from torch.nn.functional import cross_entropy
from transformers.modeling_outputs import TokenClassifierOutput

from recipe.model.attention import states_at


# It has its parent's name because `save_pretrained` writes the name into config.json, where others must find a class
# that they have.
class BertForTokenClassification(transformers.BertForTokenClassification):
    """The stock model, also for `unpadded` batches: same loss and gradients; the last layer runs only at labels."""

    def forward(self, input_ids=None, labels=None, cu_seq_lens=None, read_positions=None, **inputs):
        """With `cu_seq_lens` logits of shape (reads, labels) and the mean loss over reads; else the stock forward."""
        if cu_seq_lens is None:
            return super().forward(input_ids=input_ids, labels=labels, **inputs)
        logits = self.classifier(self.dropout(states_at(self.bert, cu_seq_lens, read_positions, input_ids)))
        loss = None if labels is None else cross_entropy(logits.float(), labels)
        return TokenClassifierOutput(loss=loss, logits=logits)
