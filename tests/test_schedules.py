"""Learning rates by step, against torch's schedulers and closed forms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minilib import schedules

rates = st.floats(1e-5, 10)


def torchs(make, lr, steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = make(optimizer)
    for _ in range(steps):
        yield scheduler.get_last_lr()[0]
        optimizer.step()
        scheduler.step()


@given(rates)
def test_constant_is_constant(lr):
    assert {schedules.constant(lr)(step) for step in (0, 1, 10**9)} == {lr}


@given(rates, st.integers(1, 5), st.floats(0.1, 0.9))
def test_step_decay_is_torchs(lr, every, factor):
    expected = torchs(lambda o: torch.optim.lr_scheduler.StepLR(o, every, factor), lr, 12)
    schedule = schedules.step_decay(lr, every, factor)
    assert [schedule(i) for i in range(12)] == pytest.approx(list(expected))


@given(rates, st.integers(2, 12))
def test_the_cosine_without_warmup_is_torchs(lr, total):
    expected = torchs(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, total, lr / 10), lr, total)
    schedule = schedules.warmup_cosine(lr, total, final=lr / 10)
    assert [schedule(i) for i in range(total)] == pytest.approx(list(expected))


@given(rates, st.integers(0, 20), st.integers(1, 50))
def test_a_warmup_rises_in_a_line_to_the_top_then_the_rate_only_falls(lr, warmup, rest):
    total = warmup + rest
    values = [schedules.warmup_cosine(lr, total, warmup, final=0.1 * lr)(i) for i in range(total + 1)]
    assert values[:warmup] == pytest.approx([lr * (i + 1) / warmup for i in range(warmup)])
    assert values[warmup] == max(values) == pytest.approx(lr)
    assert all(a >= b for a, b in zip(values[warmup:], values[warmup + 1 :], strict=False))
    assert values[-1] == pytest.approx(0.1 * lr)


def test_after_its_end_the_rate_stays_at_the_final_one():
    schedule = schedules.warmup_cosine(1.0, 10, 2, final=0.25)
    assert schedule(10) == schedule(11) == schedule(1000) == 0.25


@pytest.mark.parametrize("total, warmup", [(0, 0), (5, 5), (5, 6), (5, -1)])
def test_a_warmup_longer_than_the_whole_is_refused(total, warmup):
    with pytest.raises(ValueError, match=f"needed 0 ≤ warmup < total, got warmup={warmup}, total={total}"):
        schedules.warmup_cosine(1.0, total, warmup)
