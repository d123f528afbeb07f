"""What names zones shall have, from what is stored: start at `planning`. Controllers carry it out, the API tells it."""
