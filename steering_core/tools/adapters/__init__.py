"""The built-in tools: one file per tool, named after it; the only files that import the library of a tool."""
