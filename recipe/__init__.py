"""A BERT of your own domain, pretrained from scratch on its text. See README.md; each module is one arrow of the
pipeline.
"""

__version__ = "0.2.0"
