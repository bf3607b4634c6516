"""Programs for working on this repository."""
