"""Selection methods, one file each: `NAME.py` defines `NAME(passes, ...) -> Selection`, which chooses among candidate
directions at positions x layers by what they do to the model; `passes` runs it. No file here imports torch."""
