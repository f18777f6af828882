"""What travels: documents, chunks, payload, identity, events, errors. pydantic and stdlib only, no I/O."""
