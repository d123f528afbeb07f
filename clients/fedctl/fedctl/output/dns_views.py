"""Zones and what they hold as tables; pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import click
from rich.console import Console

from fedctl.files.convert import write_message
from fedctl.output import words
from fedctl.output.printing import to_yaml
from fedctl.output.tables import Column, Table
from fedctl.output.views import Now, utc_now
from fedsvc.v1 import zone_pb2, zone_service_pb2
from fedsvc_client.names import last_part

_DNS_PORT = 53


def zones(now: Now = utc_now) -> Table[zone_pb2.Zone]:
    """Make the table of zones."""
    return Table(
        columns=(
            Column(title="NAME", text=lambda row: last_part(row.name)),
            Column(title="DOMAIN", text=lambda row: row.spec.domain),
            Column(title="STATE", text=zone_state, style=words.style_of),
            Column(title="KEPT ON", text=kept_on),
            Column(title="SERIAL", text=lambda row: str(row.status.serial or words.NONE)),
            Column(title="NAMES", text=lambda row: str(row.status.name_count)),
            Column(title="UNITS", text=lambda row: str(row.unit_count)),
            Column(title="CHANGED", text=lambda row: words.age(row.status.change_time, now())),
            Column(title="AGE", text=lambda row: words.age(row.create_time, now()), is_wide=True),
            Column(title="LABELS", text=lambda row: words.labels_text(row.labels), is_wide=True),
        )
    )


def zone_state(zone: zone_pb2.Zone) -> str:
    """Say how a zone stands, in a word."""
    if not zone.status.serial:
        return "Pending"
    if zone.spec.frozen:
        return "Frozen"
    if zone.status.held_record_set_count:
        return "Held"
    return _publication_state(zone) if zone.spec.WhichOneof("provider") else "Ready"


def _publication_state(zone: zone_pb2.Zone) -> str:
    """Say how a zone stands on the name servers of its provider, in a word."""
    stands = zone.status.publication
    if stands.trouble:
        return "Failing"
    if zone_pb2.ZONE_MODE_READ_ONLY in {zone.spec.rfc2136.mode, zone.spec.octodns.mode, zone.spec.dns_endpoints.mode}:
        return "ReadOnly"
    if stands.serial != zone.status.serial:
        return "Publishing"
    return "Refused" if stands.refused_count else "Ready"


def kept_on(zone: zone_pb2.Zone) -> str:
    """Name the name servers that a zone is kept on, in short."""
    match zone.spec.WhichOneof("provider"):
        case "rfc2136":
            return endpoint_text(zone.spec.rfc2136.server)
        case "octodns":
            return f"octoDNS {zone.spec.octodns.account}"
        case "dns_endpoints":
            return f"ExternalDNS in {zone.spec.dns_endpoints.cluster}"
        case "hidden_primary":
            first, *others = [endpoint_text(one.server) for one in zone.spec.hidden_primary.secondaries]
            return f"{first} +{len(others)}" if others else first
        case _:
            return "fedsvc"


def endpoint_text(endpoint: zone_pb2.NameServerEndpoint) -> str:
    """Write where a name server is; the usual port is left out."""
    if endpoint.port in {0, _DNS_PORT}:
        return endpoint.host
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.port}"


def record_sets() -> Table[zone_pb2.RecordSet]:
    """Make the table of what a zone holds."""
    return Table(
        columns=(
            Column(title="NAME", text=lambda row: row.name),
            Column(title="TTL", text=lambda row: str(row.ttl_seconds)),
            Column(title="TYPE", text=lambda row: row.type),
            Column(title="DATA", text=lambda row: ", ".join(row.values), is_long=True),
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What one name server answers for one zone."""

    zone: str
    server: zone_service_pb2.VerifiedServer

    @property
    def state(self) -> str:
        """In a word."""
        if self.server.trouble:
            return "Unknown"
        return "Ready" if self.server.agrees else "Differs"

    @property
    def different(self) -> Iterator[str]:
        """Name and type of what is not as planned."""
        return (" ".join(line.split(" ", 2)[:2]) for line in self.server.differences)


def verified() -> Table[Verified]:
    """Make the table of what name servers answer."""
    return Table(
        columns=(
            Column(title="ZONE", text=lambda row: row.zone),
            Column(title="SERVER", text=lambda row: endpoint_text(row.server.server)),
            Column(title="SERIAL", text=lambda row: str(row.server.serial or words.NONE)),
            Column(title="STATE", text=lambda row: row.state, style=words.style_of),
            Column(title="DIFFERENT", text=lambda row: str(row.server.difference_count)),
        )
    )


def print_by_zone(found: Mapping[str, zone_service_pb2.VerifyZoneResponse], output: str) -> None:
    """Print what name servers answer for several zones, as a document."""
    value = {"zones": [{"zone": name, **write_message(answer)} for name, answer in found.items()]}
    click.echo(json.dumps(value, indent=2, ensure_ascii=False) if output == "json" else to_yaml(value).rstrip())


def print_plan(console: Console, answer: zone_service_pb2.PlanZoneResponse) -> None:
    """Print what a zone would change, then what waits; `-` is what it holds, `+` what it would."""
    for change in answer.changes:
        _print_change(console, change)
    _print_more(console, answer.change_count - len(answer.changes))
    if answer.held_count:
        console.print(f"Waits: {answer.held_reason}", style="bold")
    for change in answer.held:
        _print_change(console, change)
    _print_more(console, answer.held_count - len(answer.held))


def _print_change(console: Console, change: zone_service_pb2.RecordSetChange) -> None:
    for mark, has, one, style in (
        ("-", change.HasField("before"), change.before, "red"),
        ("+", change.HasField("after"), change.after, "green"),
    ):
        if has:
            line = f"{mark} {one.name} {one.ttl_seconds} {one.type} {', '.join(one.values)}"
            console.print(line, style=style, overflow="ignore", crop=False, highlight=False)


def _print_more(console: Console, count: int) -> None:
    if count > 0:
        console.print(f"  and {count} more", style=words.DIM)


def changed_names(answer: zone_service_pb2.PlanZoneResponse) -> Iterator[str]:
    """Name and type of what would change or waits."""
    for change in (*answer.changes, *answer.held):
        one = change.after if change.HasField("after") else change.before
        yield f"{one.name} {one.type}"
