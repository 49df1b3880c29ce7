"""A class on one server: JupyterHub with an account, limits and nbgrader's exchange for each student."""
