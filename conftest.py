"""Names the plugins; nothing else."""

pytest_plugins = ("parity.plugin", "parity.subjects", "parity.canonical", "reports.plugin")
