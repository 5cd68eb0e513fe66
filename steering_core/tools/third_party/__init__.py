"""Adapters of tools that are not built in: named by their file. Most need another Python: docs/tool-python.md."""
