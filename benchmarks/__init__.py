"""Side-by-side measurements; each writes a small JSON file into results/."""
