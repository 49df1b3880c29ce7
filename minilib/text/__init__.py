"""Text as numbers: which id stands for which piece of text."""

from minilib.text.bpe import BPETokenizer
from minilib.text.characters import CharTokenizer

__all__ = ["BPETokenizer", "CharTokenizer"]
