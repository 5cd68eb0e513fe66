"""One experiment (extraction, direction, steered generation), and what surrounds it: noise floor, side effects, store."""
