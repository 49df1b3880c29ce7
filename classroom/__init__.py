"""What only a teacher needs: hand out, collect, grade, give back. `python -m classroom --help`."""
