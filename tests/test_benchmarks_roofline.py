"""What is timed against each other computes the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from benchmarks import profiles, roofline
from minilib import data
from minilib.check.ch12_plans import PATIENTS


def test_explicit_and_fused_attention_agree_with_their_gradients():
    q, k, v = torch.randn(3, 2, 4, 20, 8, dtype=torch.float64).requires_grad_()
    found = [form(q, k, v) for form in (roofline.explicit, roofline.fused)]
    slopes = [torch.autograd.grad(x.square().sum(), (q, k, v)) for x in found]
    torch.testing.assert_close(*found)
    torch.testing.assert_close(*slopes)


def test_digits_turned_one_by_one_are_those_turned_a_batch_at_a_time():
    images = torch.from_numpy(data.mnist_5k().x[:100].astype(np.float32)).reshape(-1, 1, 28, 28)
    one_by_one = torch.cat(list(DataLoader(roofline.Tilted(images), 64)))
    torch.testing.assert_close(one_by_one, torch.cat(list(roofline.whole_batches(images))))


def test_adam_as_a_loop_and_fused_takes_the_same_steps():
    steps = [roofline.trainer(**kind) for kind in ({"foreach": False}, {"fused": True})]
    losses = torch.tensor([[step() for step in steps] for _ in range(3)])
    torch.testing.assert_close(losses[:, 0], losses[:, 1], rtol=1e-4, atol=0)
    assert losses[2, 0] < losses[0, 0]


def test_a_race_times_every_rival_in_each_round():
    seen: list[str] = []
    found = roofline.race({"a": lambda: seen.append("a"), "b": lambda: seen.append("b")}, 2, 3)
    assert seen == 3 * (3 * ["a"] + 3 * ["b"])
    assert all(0 <= x["best"] <= x["median"] for x in found.values())


@pytest.mark.parametrize("name", profiles.PROGRAMS)
def test_a_profile_lists_the_operations_by_their_own_time(name, monkeypatch):
    monkeypatch.setattr(profiles, "STEPS", 1)
    rows = profiles.table(*profiles.PROGRAMS[name])
    own = [row["self"] for row in rows]
    assert own == sorted(own, reverse=True) and sum(own) <= 100.5
    assert all(row["total"] >= row["self"] for row in rows)


def test_the_exercise_knows_what_is_the_matter_with_each_program(monkeypatch):
    monkeypatch.setattr(profiles, "STEPS", 1)
    slow = {name: {row["name"]: row["calls"] for row in profiles.table(*profiles.PROGRAMS[name])} for name in "ABC"}
    found = {what: name for name, what in PATIENTS.items()}
    assert slow[found["crumbs"]]["aten::addmm"] == profiles.ROWS * slow[found["healthy"]]["aten::addmm"]
    assert next(iter(slow[found["copies"]])) == "aten::cat"
    assert profiles.PROGRAMS[found["starved"]][1] is profiles.tilted
