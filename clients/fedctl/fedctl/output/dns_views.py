"""Zones and what they hold as tables; pure."""

from fedctl.output import words
from fedctl.output.tables import Column, Table
from fedctl.output.views import Now, utc_now
from fedsvc.v1 import zone_pb2
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
    if zone.spec.rfc2136.mode == zone_pb2.ZONE_MODE_READ_ONLY:
        return "ReadOnly"
    if stands.serial != zone.status.serial:
        return "Publishing"
    return "Refused" if stands.refused_count else "Ready"


def kept_on(zone: zone_pb2.Zone) -> str:
    """Name the name servers that a zone is kept on, in short."""
    match zone.spec.WhichOneof("provider"):
        case "rfc2136":
            return endpoint_text(zone.spec.rfc2136.server)
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
