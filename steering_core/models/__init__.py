"""From a registry row to a loaded transformers model: sites, architectures, tokens, checkpoints, memory."""
