"""The stated limits of the API; `GetServerInfo` tells them."""

from typing import Final

from fedsvc.rendering.canonical import MAX_OBJECT_BYTES

MAX_MANIFEST_BYTES: Final = MAX_OBJECT_BYTES
MAX_UNIT_BYTES: Final = 16 * 1024 * 1024
MAX_UNIT_RESOURCES: Final = 5_000
MAX_UNIT_OVERRIDES: Final = 500
MAX_UNIT_DEPENDENCIES: Final = 100
MAX_LABELS: Final = 100
MAX_ANNOTATIONS_BYTES: Final = 256 * 1024
MAX_LISTED: Final = 1_000
"""Taints, tolerations, names, rules: whatever a person writes as a list."""

MAX_MESSAGE_BYTES: Final = 20 * 1024 * 1024
"""Of one gRPC request: a unit of the largest size, and its wrapping."""

MAX_CALL_SECONDS: Final = 30.0
"""A unary call is given no more, whatever deadline it brings."""

MAX_DECIDING_SECONDS: Final = 120.0
"""The same for calls that decide on a whole fleet."""

LONGEST_DETAILS_BYTES: Final = 4 * 1024
"""Details of an error travel as an HTTP/2 header, and clients accept 8 KiB of these by default."""
