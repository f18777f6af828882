"""The front door: command line, search, status, and the composition of all parts."""
