"""The pytest plugin of the checks: fixtures, cells, gate, records and the harness that runs checks on one tool."""
