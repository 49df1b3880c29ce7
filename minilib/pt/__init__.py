"""The PyTorch half: what torch itself lacks, under the names of minilib.scratch."""
