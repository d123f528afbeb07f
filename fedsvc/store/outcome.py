"""What an apply did; one word for units, resources and policies."""

from enum import StrEnum


class ApplyOutcome(StrEnum):
    """What became of an object that was applied."""

    CREATED = "Created"
    CONFIGURED = "Configured"  # it was there and is changed
    UNCHANGED = "Unchanged"  # nothing was written
    REMOVED = "Removed"  # it is no longer part of its unit
