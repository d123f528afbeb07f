"""Generated from proto/fedsvc/v1 by ./dev gen; never edited."""
