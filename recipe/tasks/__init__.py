"""Tasks that show what a pretrained model is worth."""
