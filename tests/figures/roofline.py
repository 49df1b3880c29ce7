"""Python's answer to the figure `roofline`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from tests.figures.keyboard import press_keys

PAGE = "notebooks/12_training_fast.html"
STORED = Path(__file__).parents[2] / "benchmarks" / "results" / "roofline.json"


def expected(bandwidth: float, peak: float, width: int, batch: int, bytes: int) -> dict[str, Any]:
    """GB/s, GFLOP/s, and a layer (width, width) on so many rows of so many bytes a number."""
    weights, rows = np.empty((width, width)), np.empty((batch, width))
    intensity = 2 * batch * weights.size / (bytes * (weights.size + 2 * rows.size))
    speed = min(peak, bandwidth * intensity)
    return {
        "intensity": intensity,
        "ridge": peak / bandwidth,
        "speed": speed,
        "million": 1e6 * 2 * weights.size / (1e9 * speed),
        "share": speed / peak,
    }


def agree(got: dict[str, Any]) -> None:
    wanted = expected(*(got[name] for name in ("bandwidth", "peak", "width", "batch", "bytes")))
    for name, value in wanted.items():
        assert np.isclose(got[name], value, rtol=1e-9), (name, got[name], value)
    assert got["limit"] == ("memory" if wanted["intensity"] < wanted["ridge"] else "arithmetic")


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """Double both ceilings, then move batch, precision, width and machine, all by keyboard; compare after each."""
    stored = json.loads(STORED.read_text("utf8"))
    peak = max(row["gflop_s"] for row in stored["matmul"] if row["dtype"] == "float32")
    first = result()
    assert np.allclose([first["bandwidth"], first["peak"]], [stored["copy"][-1]["gb_s"], peak])
    assert (first["width"], first["batch"], first["bytes"], first["limit"]) == (1024, 1, 4, "memory")
    agree(first)

    press_keys(root.get_by_role("button", name="Double the peak"), "Enter")
    assert np.isclose(result()["peak"], 2 * peak) and result()["million"] == first["million"]
    agree(result())
    press_keys(root.get_by_role("button", name="Double the bandwidth"), "Enter")
    assert np.isclose(result()["million"], first["million"] / 2)
    agree(result())

    machine = root.get_by_label("Machine", exact=True)
    press_keys(machine, "ArrowDown")
    assert (result()["bandwidth"], result()["peak"]) == (2039, 312_000)
    agree(result())
    assert "Memory limits" in root.inner_text()
    assert "2,039 GB/s" in root.inner_text() and "312,000 GFLOP/s" in root.inner_text()
    press_keys(root.get_by_label("Bandwidth", exact=True), "ArrowRight")
    press_keys(root.get_by_label("Bandwidth", exact=True), "ArrowLeft")
    assert result()["bandwidth"] == 2039
    press_keys(machine, "ArrowUp")
    assert np.isclose(result()["peak"], peak)

    # the challenges: 16 bits halve the time of a single row, and no longer help from 29 rows on
    size = root.get_by_label("Bytes a number")
    press_keys(size, "ArrowDown")
    assert result()["bytes"] == 2 and np.isclose(result()["million"], first["million"] / 2)
    press_keys(size, "ArrowUp")
    rows = root.get_by_label("Rows together")
    press_keys(rows, "ArrowRight")
    assert result()["batch"] == 2
    press_keys(rows, "ArrowRight", 26)
    assert result()["batch"] == 28 and result()["limit"] == "memory"
    agree(result())
    press_keys(rows, "ArrowRight")
    assert result()["batch"] == 29 and result()["limit"] == "arithmetic"
    assert "Arithmetic limits" in root.inner_text()
    full = result()["million"]
    press_keys(size, "ArrowDown")
    assert result()["million"] == full

    press_keys(root.get_by_label("Width", exact=True), "ArrowLeft", 3)
    assert result()["width"] == 128
    agree(result())
    press_keys(root.get_by_label("Bandwidth", exact=True), "ArrowRight", 40)
    press_keys(root.get_by_label("Peak", exact=True), "ArrowLeft", 40)
    moved = result()
    assert 1.5 < moved["bandwidth"] / first["bandwidth"] < 1.7 and 0.6 < moved["peak"] / peak < 0.66
    agree(moved)
