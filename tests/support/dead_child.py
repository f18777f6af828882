"""A parser child that never comes up."""


def main():
    raise SystemExit(3)
