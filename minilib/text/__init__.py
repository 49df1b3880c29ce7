"""Text as numbers: which id stands for which piece of text."""

from minilib.text.bpe import BPETokenizer
from minilib.text.characters import CharTokenizer
from minilib.text.wordpiece import WordPieceTokenizer

__all__ = ["BPETokenizer", "CharTokenizer", "WordPieceTokenizer"]
