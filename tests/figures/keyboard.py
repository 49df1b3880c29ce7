"""Moving a figure's controls as a reader without a mouse does."""

from __future__ import annotations

from playwright.sync_api import Locator


def press_keys(control: Locator, key: str, times: int = 1) -> None:
    """Focus a control and press a key, so many times."""
    control.focus()
    for _ in range(times):
        control.press(key)
