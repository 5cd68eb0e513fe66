"""Names the plugins; nothing else."""

from parity.package.entry_point import PLUGINS

pytest_plugins = PLUGINS
