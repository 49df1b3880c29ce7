"""The NumPy half of minilib: everything written by hand, under PyTorch's names."""

from minilib.scratch.tensor import Tensor, concatenate, maximum, minimum, no_grad, stack, where

__all__ = ["Tensor", "concatenate", "maximum", "minimum", "no_grad", "stack", "where"]
