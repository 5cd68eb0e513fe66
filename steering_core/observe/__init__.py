"""Independent hooks beneath a tool, the model's state before and after it, and injected faults."""
