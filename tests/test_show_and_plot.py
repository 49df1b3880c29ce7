"""What the pages show: the library's source, one style of figures, interactive figures."""

from __future__ import annotations

import inspect
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import minilib.widgets
from minilib import plot, schedules
from minilib.scratch import functional as F
from minilib.scratch import nn, rules
from minilib.scratch.tensor import Tensor
from minilib.show import source


@pytest.fixture(autouse=True)
def fresh_style():
    plt.switch_backend("Agg")
    with plt.rc_context():
        plot.use_style()
        yield
    plt.close("all")


# show ---------------------------------------------------------------------------------------------------------------
def test_the_source_shown_is_the_source_that_runs():
    shown = source(nn.Linear)
    assert repr(shown) == inspect.getsource(nn.Linear).rstrip()
    assert shown._repr_markdown_() == f"`minilib.scratch.nn.Linear`\n```python\n{shown!r}\n```"
    names = dict(vars(F))
    exec(repr(source(F.one_hot)), names)
    assert names["one_hot"]([1], 2).tolist() == [[0, 1]]


def test_an_operation_is_shown_as_its_rule_and_a_method_without_its_indent():
    assert repr(source(F.relu)) == inspect.getsource(rules.relu).rstrip()
    assert source(Tensor.tanh).name == "minilib.scratch.rules.tanh"
    assert repr(source(Tensor.backward)).startswith("def backward(self")


def test_a_module_is_shown_whole_under_its_name():
    assert repr(source(schedules)) == Path(schedules.__file__).read_text("utf8").rstrip()
    assert source(schedules).name == "minilib.schedules"


# plot ---------------------------------------------------------------------------------------------------------------
def contrast(a, b):
    def light(colour):
        channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        channels = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return channels @ [0.2126, 0.7152, 0.0722]

    high, low = sorted([light(a), light(b)], reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_has_enough_contrast_on_paper():
    assert contrast("#ffffff", "#000000") == 21
    assert contrast(plot.INK, "#ffffff") > 7
    assert contrast(plot.GREY, "#ffffff") > 4.5


def test_lines_take_the_books_colours_in_order():
    _, (axis,) = plot.panels()
    lines = [axis.plot([0, 1])[0] for _ in plot.COLOURS]
    assert [line.get_color() for line in lines] == list(plot.COLOURS)
    assert len(set(plot.COLOURS)) == 6


def test_a_figure_is_transparent():
    figure, (axis,) = plot.panels()
    assert figure.get_facecolor()[3] == axis.get_facecolor()[3] == 0


@pytest.mark.parametrize("columns, rows", [(1, 1), (3, 1), (2, 2)])
def test_panels_come_flat_and_as_wide_as_the_page(columns, rows):
    figure, axes = plot.panels(columns, rows, height=2.0, sharex=True)
    assert axes.shape == (columns * rows,)
    assert figure.get_size_inches().tolist() == [6.9, 2.0 * rows]


def test_a_gallery_shows_each_picture_with_its_title_and_leaves_the_rest_blank():
    images = np.random.default_rng(0).random((5, 4, 4))
    figure = plot.show_images(images, titles=list("abcde"), columns=3)
    drawn = [axis for axis in figure.axes if axis.images]
    assert len(figure.axes) == 6
    assert [axis.get_title() for axis in drawn] == list("abcde")
    for axis, image in zip(drawn, images, strict=True):
        np.testing.assert_array_equal(axis.images[0].get_array(), image)
        assert axis.images[0].get_cmap().name == "Greys"
    assert not any(axis.axison for axis in figure.axes)
    assert plot.show_images(images, columns=5).get_size_inches()[1] < figure.get_size_inches()[1]


def test_a_matrix_is_shown_with_its_names_and_legible_numbers():
    _, (left, right) = plot.panels(2)
    counts = np.array([[40, 2], [0, 7]])
    plot.show_matrix(left, counts, rows=["mail", "spam"], columns=["kept", "blocked"], number="d")
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["mail", "spam"]
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["kept", "blocked"]
    assert {text.get_position(): text.get_text() for text in left.texts} == {
        (0, 0): "40", (1, 0): "2", (0, 1): "0", (1, 1): "7",
    }  # fmt: skip
    assert [text.get_color() for text in left.texts] == ["white", plot.INK, plot.INK, plot.INK]
    assert left.images[0].get_clim() == (0, 40)
    plot.show_matrix(right, counts / 49, top=1)
    assert right.images[0].get_clim() == (0, 1)
    assert not right.texts
    plot.show_matrix(right, np.zeros((2, 3)))
    assert right.images[1].get_clim() == (0, 1)


def test_a_line_carries_its_label_at_its_end_in_its_colour():
    _, (axis,) = plot.panels()
    axis.plot([0, 1, 2], [5, 6, 7], label="falls", color=plot.ORANGE)
    axis.plot([0, 1], [1, 2])  # no label: matplotlib calls it _child1
    axis.plot([], [], label="empty")
    plot.label_lines(axis)
    (label,) = axis.texts
    assert (label.get_text(), label.xy, label.get_color()) == ("falls", (2, 7), plot.ORANGE)


# widgets ------------------------------------------------------------------------------------------------------------
def test_a_widget_holds_its_settings_and_has_the_style():
    widget = minilib.widgets.Widget(rate=0.1, points=[1, 2])
    assert widget.config == {"rate": 0.1, "points": [1, 2]}
    assert widget.result == {}
    assert repr(widget) == "Widget()"
    state = widget.get_state()
    assert state["config"] == widget.config
    assert state["_css"] == (Path(minilib.widgets.__file__).parent / "widgets.css").read_text("utf8")


def test_a_figures_module_is_the_shared_part_and_its_own():
    folder = Path(minilib.widgets.__file__).parent
    common = (folder / "common.js").read_text("utf8")
    assert minilib.widgets.module("common") == f"{common}\n{common}"
    with pytest.raises(FileNotFoundError):
        minilib.widgets.module("nothing")
