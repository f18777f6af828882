"""One suite per port, run on each implementation."""
