"""Hands zones to the name server of this process, whoever planned them; without PostgreSQL it answers as before."""

from pathlib import Path
from typing import Final

import orjson
import structlog

from fedsvc.controllers.following import follow
from fedsvc.store import publications, zones
from fedsvc.store.changes import Change
from fedsvc.store.store import Store
from fedsvc_dns.server.name_server import NameServer, Settings
from fedsvc_dns.server.zone import ZoneError
from fedsvc_dns.server.zone_data import ZoneData, from_json

_log = structlog.get_logger(__name__)

KEPT: Final = "dns-zones"
"""The file in the data folder with what was answered last."""


def _concerns(change: Change) -> bool:
    return change.kind == "zone" and not publications.is_standing(change)


class Answering:
    """The name server, and what it answers from."""

    def __init__(self, store: Store, *, data_dir: Path) -> None:
        self._store = store
        self._given: dict[str, ZoneData] = {}
        self.server = NameServer(Settings(kept=data_dir / KEPT))

    async def start(self, host: str, port: int) -> int:
        """Listen, and answer from what was kept until there is more; returns the port.

        Raises:
            OSError: the address cannot be listened on.
        """
        try:
            await self.server.serve_kept()
        except FileNotFoundError:
            _log.info("dns_begins_empty")
        except (OSError, ValueError) as error:
            _log.warning("dns_kept_zones_not_read", message=str(error))
        _, got = await self.server.listen(host, port)
        return got

    async def run(self) -> None:
        """Follow what is stored until cancelled; while PostgreSQL is away what was given last is answered."""
        await follow(self._store, "dns-zones", concerns=_concerns, look=self._follow)

    async def _follow(self) -> None:
        async with self._store.look() as look:
            stored = await zones.served(look)
        found = {one.origin: one for body in stored for one in map(from_json, orjson.loads(body))}
        if found == self._given:
            return
        try:
            await self.server.serve(tuple(found.values()))
        except ZoneError as error:
            await self._serve_singly(found, error)
        else:
            self._given = found

    async def _serve_singly(self, found: dict[str, ZoneData], why: ZoneError) -> None:
        """Give what can be served: one zone's trouble is that zone's alone."""
        _log.error("dns_zones_not_served_together", message=str(why))
        given = {origin: data for origin, data in self._given.items() if origin in found}
        for origin, data in found.items():
            try:
                await self.server.serve(tuple({**given, origin: data}.values()))
            except ZoneError as error:
                _log.error("dns_zone_not_served", zone=origin, message=str(error))
            else:
                given[origin] = data
        self._given = given
