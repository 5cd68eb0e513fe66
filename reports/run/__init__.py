"""The files of one run: written whole or not at all, and verified when they are read."""
