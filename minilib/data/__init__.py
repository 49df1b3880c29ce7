"""Real data sets without a network: files inside pinned packages, each checked against its SHA-256 before it is read.

The packages are not imported, only their files are read. Splits and batches take their randomness from the caller.
"""

from minilib.data.batches import Batches, Windows, phone_book, shift_images, split, turn_images
from minilib.data.files import Dataset
from minilib.data.tables import breast_cancer, churn, diabetes, digits, mnist_5k, movielens, spam, wine
from minilib.data.texts import names, reviews_en, reviews_zh, shakespeare

__all__ = [
    "Batches",
    "Dataset",
    "Windows",
    "breast_cancer",
    "churn",
    "diabetes",
    "digits",
    "mnist_5k",
    "movielens",
    "names",
    "phone_book",
    "reviews_en",
    "reviews_zh",
    "shakespeare",
    "shift_images",
    "spam",
    "split",
    "turn_images",
    "wine",
]
