"""A provider of octoDNS that never comes to an end."""

import time
from logging import getLogger
from typing import Any

from octodns.provider.base import BaseProvider


class Hanging(BaseProvider):  # type: ignore[misc]  # octoDNS has no types
    """Its zones are read for ever."""

    log = getLogger("Hanging")
    SUPPORTS = frozenset(("A", "TXT"))
    SUPPORTS_GEO = False

    def populate(self, zone: Any, target: bool = False, lenient: bool = False) -> bool:  # noqa: FBT001, FBT002 - octoDNS' own form
        """Read for ever."""
        del zone, target, lenient
        while True:
            time.sleep(3600)
