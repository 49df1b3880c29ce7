"""The mirror of minilib.scratch in PyTorch: the same names and weights, plus what training at full strength needs."""
