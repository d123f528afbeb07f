"""Pure: providers of octoDNS with the credentials that they take."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A provider as octoDNS' own files describe it.

    Attributes:
        name: what it is called there.
        class_path: module and class, such as `octodns_route53.Route53Provider`.
        settings: what the class takes; `env/NAME` is the value of an environment variable.
    """

    name: str
    class_path: str
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
