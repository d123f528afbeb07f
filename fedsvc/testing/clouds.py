"""Zones that providers of octoDNS keep in tests: on real BIND and PowerDNS, and on an emulated Route 53."""

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import patch

from fedsvc.errors import ConfigurationError
from fedsvc.testing.name_servers import API_KEY, KEY, NameServer
from fedsvc_dns.providers.octodns.accounts import Account

_SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDAxMjM="  # noqa: S105 - made up, for tests
_ITEMS = 300


def bind_account(server: NameServer) -> Account:
    """Dynamic updates by octodns-bind."""
    settings = {
        "host": "127.0.0.1",
        "port": server.port,
        "key_name": KEY.name.to_text(),
        "key_secret": _SECRET,
        "key_algorithm": "hmac-sha256",
        "update_batch_size": 200,
    }
    return Account(name="bind", class_path="octodns_bind.Rfc2136Provider", settings=settings)


def powerdns_account(server: NameServer) -> Account:
    """The HTTP API of PowerDNS."""
    settings = {"host": "127.0.0.1", "port": server.api_port, "api_key": API_KEY, "mode_of_operation": "native"}
    return Account(name="powerdns", class_path="octodns_powerdns.PowerDnsProvider", settings=settings)


ROUTE53 = Account(
    name="route53",
    class_path="octodns_route53.Route53Provider",
    settings={"access_key_id": "made-up", "secret_access_key": "made-up"},
)


@contextlib.contextmanager
def route53() -> Iterator[Any]:
    """An emulated Route 53 for this process; yields a client of it.

    Raises:
        ConfigurationError: the machine lacks it.
    """
    try:
        import boto3  # noqa: PLC0415 - a second of imports that only few tests need
        import botocore.session  # noqa: PLC0415
        from moto import mock_aws  # noqa: PLC0415
        from moto.core.responses import ActionResult  # noqa: PLC0415
        from moto.route53.models import FakeZone  # noqa: PLC0415
        from moto.route53.responses import Route53  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(f"no emulated Route 53: {error}") from error

    def list_health_checks(service: Any) -> Any:
        return ActionResult({"HealthChecks": service.backend.list_health_checks(), "IsTruncated": False})

    delete = FakeZone.delete_rrset

    def delete_and_forget(zone: Any, found: dict[str, Any]) -> None:
        delete(zone, found)
        same = found["Name"].strip("."), found["Type"]
        zone.rr_changes[:] = [
            change
            for change in zone.rr_changes
            if (change["ResourceRecordSet"]["Name"].strip("."), change["ResourceRecordSet"]["Type"]) != same
        ]

    shared = botocore.session.Session()  # it reads the description of the API once, not for each provider object

    def session(**settings: Any) -> Any:
        return boto3.Session(botocore_session=shared, **settings)

    with (
        mock_aws(),
        # the real one says in each list whether there is more
        patch.object(Route53, "list_health_checks", list_health_checks),
        # the real one lets what was deleted be made again
        patch.object(FakeZone, "delete_rrset", delete_and_forget),
        patch("octodns_route53.auth.Session", session),
    ):
        yield session(aws_access_key_id="x", aws_secret_access_key="x").client("route53", region_name="us-east-1")  # noqa: S106


def hosted_sets(client: Any, origin: str) -> dict[tuple[str, str], tuple[int, frozenset[str]]]:
    """What a zone of Route 53 holds, without any of our own code."""
    zones = client.list_hosted_zones_by_name(DNSName=origin)["HostedZones"]
    (zone,) = (found for found in zones if found["Name"] == origin)
    pages = client.get_paginator("list_resource_record_sets").paginate(
        HostedZoneId=zone["Id"], PaginationConfig={"PageSize": _ITEMS}
    )
    return {
        (found["Name"].replace("\\052", "*"), found["Type"]): (
            found["TTL"],
            frozenset(record["Value"] for record in found["ResourceRecords"]),
        )
        for page in pages
        for found in page["ResourceRecordSets"]
    }


async def ask_thread(request: Mapping[str, Any], timeout_seconds: float) -> Mapping[str, Any]:
    """Ask a worker within this process: what it does is the same, without the time that a process takes to start."""
    from fedsvc_dns.providers.octodns.worker import answer  # noqa: PLC0415 - of an extra

    async with asyncio.timeout(timeout_seconds):
        found = await asyncio.to_thread(answer, json.loads(json.dumps(request)))
    told: Mapping[str, Any] = json.loads(json.dumps(found))
    return told
