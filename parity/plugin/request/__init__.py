"""What the command line asks for, and whether it can be done: options, run matrix, weights, machine, resume."""
