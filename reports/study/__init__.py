"""The study's published artifacts, replayed as records."""
