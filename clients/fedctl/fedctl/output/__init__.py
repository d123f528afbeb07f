"""What fedctl prints: tables, words for states and ages, one view a kind, and the terminal itself."""
