"""Checks of the intent that a request brings, before anything is stored: pure, and all problems at once."""
