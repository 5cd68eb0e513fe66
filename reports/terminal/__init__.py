"""What a person sees in the terminal: the verdict, and the tracebacks of failed checks."""
