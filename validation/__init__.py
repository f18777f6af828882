"""Whether it may pass: rules as ordered, named data, and the verdicts they give."""
