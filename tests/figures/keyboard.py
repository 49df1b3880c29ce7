"""Moving a figure's controls as a reader without a mouse does."""

from __future__ import annotations

from playwright.sync_api import Locator

LEAPS = {"ArrowRight": "PageUp", "ArrowLeft": "PageDown"}
STEPS_A_LEAP = "c => c.type === 'range' ? (c.max - c.min) / 10 / c.step : 0"


def press_keys(control: Locator, key: str, times: int = 1) -> None:
    """Focus a control and press a key, so many times; a slider's page keys stand for a tenth of its way."""
    control.focus()
    leap = round(control.evaluate(STEPS_A_LEAP), 6) if key in LEAPS else 0
    if leap > 1 and leap == int(leap):
        for _ in range(times // int(leap)):
            control.press(LEAPS[key])
        times %= int(leap)
    for _ in range(times):
        control.press(key)
