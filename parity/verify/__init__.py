"""`python -m parity.verify cosmic`: shows that a method does what its paper says, step by step, before it is used."""
