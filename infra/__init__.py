"""How the world is touched: settings, ledger, sources, index, embedder, logs. The only layer that knows drivers."""
