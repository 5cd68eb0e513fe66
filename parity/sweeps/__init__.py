"""Sweeps of the V3 plan: one check per condition. Run with `-m sweep` or by naming a file; never by default."""
