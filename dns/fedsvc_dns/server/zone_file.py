"""Zones from files: master files (RFC 1035 section 5), and JSON for what master files cannot say (see `zone_data`)."""

from pathlib import Path

import dns.exception
import dns.rdatatype
import dns.zone
import orjson

from fedsvc_dns.records import record_set
from fedsvc_dns.server.zone_data import ZoneData, from_json


def read_zone_file(path: Path, origin: str | None = None) -> ZoneData:
    """The zone of a file; the origin is what its first $ORIGIN says, unless it is given.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no zone, with the line or the field that is wrong.
    """
    if path.suffix == ".json":
        try:
            return from_json(orjson.loads(path.read_bytes()))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    try:
        zone = dns.zone.from_file(str(path), origin=origin, relativize=False, check_origin=False)
    except dns.zone.UnknownOrigin as error:
        raise ValueError(f"{path}: no $ORIGIN before the first record; give the origin as ORIGIN=FILE") from error
    except dns.exception.DNSException as error:
        said = str(error) or type(error).__name__
        raise ValueError(said if said.startswith(str(path)) else f"{path}: {said}") from error
    assert zone.origin is not None
    sets = tuple(
        record_set(
            name.to_text(),
            dns.rdatatype.to_text(one.rdtype),
            (data.to_text(relativize=False) for data in one),
            ttl_seconds=one.ttl,
        )
        for name, one in zone.iterate_rdatasets()
    )
    return ZoneData(origin=zone.origin.to_text(), record_sets=sets)
