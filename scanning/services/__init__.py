"""The verbs of scanning."""
