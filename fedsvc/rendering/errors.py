"""What can be wrong with a manifest or an override, told with the path of the offending field.

ValueError
└── RenderingError      path, message
    ├── ManifestError   the object itself is wrong: the user mends the manifest
    └── OverrideError   an override does not fit the object in one cluster: only that cluster's work stops
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, found without stopping at the first.

    Attributes:
        path: where, as a person reads it: ``metadata.labels["tier"]`` or ``patch[0].path``; "" for the whole object.
        message: what is wrong and what would be right.
        warning: True where the input is accepted all the same.
    """

    path: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class RenderingError(ValueError):
    """Root of this package's errors."""

    def __init__(self, *, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message


class ManifestError(RenderingError):
    """A manifest that cannot be accepted or sent: the caller shows path and message to whoever wrote it."""


class OverrideError(RenderingError):
    """An override that cannot be carried out on this object in this cluster.

    Attributes:
        index: which override, counting from 0 in the order they are applied.
        op_index: which patch operation of it; None where the image, label or annotation part failed.
    """

    def __init__(self, *, index: int, op_index: int | None, path: str, message: str) -> None:
        super().__init__(path=path, message=message)
        self.index = index
        self.op_index = op_index

    def __str__(self) -> str:
        place = f"override {self.index}" if self.op_index is None else f"override {self.index}, patch {self.op_index}"
        return f"{place}: {super().__str__()}"
