"""What the Makefile calls: building the site, storing notebooks, writing student versions."""
