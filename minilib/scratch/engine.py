"""How gradients travel: from a result back to everything that it was computed from, in one pass.

A node is a Tensor: `data`, `grad`, and `_edges`, a pair (parent, slope) for each parent that needs a gradient.
Derived in: notebooks/03_backpropagation.ipynb
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from minilib.scratch.tensor import Tensor

FREED: tuple = ("freed",)
"""The edges of a result whose graph has been used."""


def propagate(root: Tensor, start: np.ndarray) -> None:
    """Walk from the result to the leaves; gradients add where paths meet."""
    gradients = {id(root): start}
    for node in _results_before_parents(root):
        g = gradients.pop(id(node))
        if not node._edges:
            # a view or a shared array must not become somebody's grad
            fresh = g.base is None and g is not start
            if node.grad is not None:
                node.grad = node.grad + g
            else:
                node.grad = g if fresh else g.copy()
            continue
        for parent, slope in node._edges:
            contribution = _fitted(slope(g), parent.data, g)
            held = gradients.get(id(parent))
            total = contribution if held is None else held + contribution
            gradients[id(parent)] = total
        node._edges = FREED


def _fitted(gradient: Any, data: np.ndarray, upstream: np.ndarray) -> np.ndarray:
    """A contribution in the shape and dtype of the array that it belongs to, never the upstream array itself."""
    if np.shape(gradient) != data.shape:
        gradient = unbroadcast(np.asarray(gradient), data.shape)
    gradient = np.asarray(gradient, data.dtype)
    return gradient.view() if gradient is upstream else gradient


def unbroadcast(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Undo broadcasting: copies made on the way forward become a sum on the way back.

    gradient: the gradient with respect to the broadcast array; `shape`: that of the array before.
    Derived in: notebooks/03_backpropagation.ipynb
    """
    gradient = np.broadcast_to(gradient, np.broadcast_shapes(gradient.shape, shape))
    extra = gradient.ndim - len(shape)
    stretched = [i + extra for i, n in enumerate(shape) if n == 1 and gradient.shape[i + extra] != 1]
    return gradient.sum(axis=(*range(extra), *stretched)).reshape(shape)


def _results_before_parents(root: Tensor) -> list[Tensor]:
    """Every tensor under `root`, each before the ones it was computed from. A loop: a long chain must not recurse."""
    order: list[Tensor] = []
    seen: set[int] = set()
    pending: list[tuple[Tensor, bool]] = [(root, False)]
    while pending:
        node, parents_done = pending.pop()
        if parents_done:
            order.append(node)
        elif id(node) not in seen:
            if node._edges is FREED:
                raise RuntimeError("backward was called before on this graph and freed it: compute the result again")
            seen.add(id(node))
            pending.append((node, True))
            pending.extend((parent, False) for parent, _ in node._edges)
    return order[::-1]
