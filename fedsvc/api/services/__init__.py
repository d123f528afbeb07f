"""The servicers, one a file: read the request, ask or tell the store, answer; errors are raised, not sent."""
