"""What a run leaves behind: clauses, thresholds, records, the journal and provenance."""
