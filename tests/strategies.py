"""What the tests draw their inputs from: shapes, arrays in every layout. Examples are the same in every run."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

settings.register_profile(
    "repeatable", deadline=None, derandomize=True, max_examples=20, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")

SIDES = st.sampled_from([2, 3, 1, 4, 2, 3, 1, 0])
seeds = st.integers(0, 2**32 - 1)
LAYOUTS = {
    "in rows": lambda a: a.copy(),
    "in columns": lambda a: np.array(a, order="F"),
    "every second number": lambda a: np.repeat(a, 2, -1)[..., ::2] if a.ndim else a,
    "from the end": lambda a: np.flip(np.flip(a).copy()),
}


@st.composite
def shapes(draw, least_dims=0, most_dims=3, sides=SIDES):
    return tuple(draw(st.lists(sides, min_size=least_dims, max_size=most_dims)))


@st.composite
def arrays(draw, shape, low=-2.0, high=2.0):
    """float64 numbers of a shape, or of a drawn one, lying in memory in one of several ways."""
    shape = shape if isinstance(shape, tuple) else draw(shape)
    values = np.random.default_rng(draw(seeds)).uniform(low, high, shape)
    return LAYOUTS[draw(st.sampled_from(list(LAYOUTS)))](values)


@st.composite
def broadcastable(draw, count=2):
    """Shapes that broadcast with each other: one shape with axes dropped on the left or squeezed to 1."""
    full = draw(shapes())
    result = []
    for _ in range(count):
        kept = full[draw(st.integers(0, len(full))) :]
        result.append(tuple(1 if draw(st.integers(0, 3)) == 0 else n for n in kept))
    return result


@st.composite
def several(draw, count=2, low=-2.0, high=2.0):
    """Arrays that broadcast with each other."""
    return [draw(arrays(shape, low, high)) for shape in draw(broadcastable(count))]


@st.composite
def with_axis(draw, low=-2.0, high=2.0, never_empty=False, tuples=True):
    """An array, the axis or axes to reduce (None: all), and whether to keep them."""
    a = draw(arrays(shapes(sides=st.integers(1, 4)) if never_empty else shapes(), low, high))
    single = st.integers(-a.ndim, a.ndim - 1) if a.ndim else st.sampled_from([0, -1])
    choices = [st.none(), single]
    if tuples and a.ndim > 1:
        choices.append(st.permutations(range(-a.ndim, 0)).map(lambda p: tuple(p[:2])))
    return a, draw(st.one_of(choices)), draw(st.booleans())
