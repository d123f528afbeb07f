"""The version of this installation."""

from importlib.metadata import PackageNotFoundError, version

from fedsvc import __name__ as package


def fedsvc_version() -> str:
    """The version in the package's metadata; ``0+unknown`` for a source tree that was never installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "0+unknown"
