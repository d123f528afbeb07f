"""Pure: international names: stored as A-labels, shown as U-labels (RFC 5890, IDNA 2008)."""

import idna

from fedsvc_dns.records import normal_name


def to_a_labels(name: str) -> str:
    """A name as DNS has it: absolute, in lower case, each label that is not of ASCII as its A-label.

    Labels of ASCII stay what they are, also those that are no host names, such as `*` and `_http`.

    Raises:
        ValueError: a label is no U-label of IDNA 2008, or the whole is no name.
    """
    if name.isascii():
        return normal_name(name)
    labels = [label if label.isascii() else _a_label(name, label) for label in _unified(name).split(".")]
    return normal_name(".".join(labels))


def to_u_labels(name: str) -> str:
    """A name as people read it; a label that only looks like an A-label is shown as it is."""
    if "xn--" not in name:
        return name
    return ".".join(_u_label(label) for label in name.split("."))


def _unified(name: str) -> str:
    # RFC 3490 section 3.1: the other full stops that input methods give
    return name.translate({0x3002: ".", 0xFF0E: ".", 0xFF61: "."})


def _a_label(name: str, label: str) -> str:
    try:
        return idna.encode(label, uts46=True).decode()
    except idna.IDNAError as error:
        raise ValueError(f"{name!r} is no name: {label!r} has no A-label: {error}") from error


def _u_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return idna.decode(label)
    except idna.IDNAError:
        return label
