"""Reads and writes runs, and shows them: ledger, artifact, terminal, page. Nothing here imports torch."""
