"""Names the plugins; nothing else."""

pytest_plugins = ("parity.plugin.hooks", "parity.plugin.fixtures", "parity.plugin.canonical", "reports.plugin")
