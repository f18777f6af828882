"""The work: intake, reconcile, the pipeline (fetch, parse, chunk, embed, index), audit."""
