"""What observes a tool from beneath: hooks of its own, model state before and after, injected faults."""
