"""Zones between protobuf and the model."""

from typing import Final

from fedsvc.api.convert.common import inverted, read_enum, timestamp
from fedsvc.api.convert.dns import (
    all_down_value,
    dns_message,
    min_healthy_message,
    read_all_down,
    read_dns,
    read_min_healthy,
)
from fedsvc.api.convert.zone_provider import publication_message, read_provider, write_provider
from fedsvc.api.problems import Problems
from fedsvc.model.zone import (
    DEFAULT_MAX_ANSWERS,
    DEFAULT_TTL_SECONDS,
    ForeignObjects,
    NameServer,
    Zone,
    ZoneSpec,
    ZoneState,
)
from fedsvc.v1 import dns_pb2, zone_pb2
from fedsvc_dns.planner.zone import Budget, Layout
from fedsvc_dns.records import RecordSet

_LAYOUTS: Final = {Layout.FLAT: zone_pb2.ZONE_LAYOUT_FLAT, Layout.CNAME: zone_pb2.ZONE_LAYOUT_CNAME}
_READ_LAYOUTS: Final = {zone_pb2.ZONE_LAYOUT_UNSPECIFIED: Layout.FLAT, **inverted(_LAYOUTS)}
_DEFAULT_BUDGET: Final = Budget()


def read_zone_spec(message: zone_pb2.ZoneSpec, zone: str, path: str, problems: Problems) -> ZoneSpec:
    """The intent of protobuf of the zone of that id; what is not said is the default."""
    budget = message.removals
    if not 0 <= budget.percent <= 100:
        problems.add(f"{path}.removals.percent", f"is {budget.percent}; it must be from 0 to 100")
    minute = budget.names_a_minute if budget.HasField("names_a_minute") else _DEFAULT_BUDGET.names_a_minute
    return ZoneSpec(
        domain=message.domain,
        ttl_seconds=message.ttl_seconds if message.HasField("ttl_seconds") else DEFAULT_TTL_SECONDS,
        layout=read_enum(message.layout, _READ_LAYOUTS, f"{path}.layout", problems),
        max_answers=message.max_answers if message.HasField("max_answers") else DEFAULT_MAX_ANSWERS,
        frozen=message.frozen,
        name_servers=tuple(
            NameServer(host=server.host, addresses=tuple(server.addresses)) for server in message.name_servers
        ),
        budget=Budget(
            names=budget.names if budget.HasField("names") else _DEFAULT_BUDGET.names,
            share=budget.percent / 100 if budget.HasField("percent") else _DEFAULT_BUDGET.share,
            names_a_minute=minute,
        ),
        min_healthy=read_min_healthy(message, path, problems),
        on_all_down=read_all_down(message.on_all_down, path, problems),
        provider=read_provider(message, path, problems),
        foreign=tuple(
            _read_foreign(one, zone, f"{path}.foreign[{index}]", problems) for index, one in enumerate(message.foreign)
        ),
    )


def _read_foreign(message: zone_pb2.ForeignObjects, zone: str, path: str, problems: Problems) -> ForeignObjects:
    settings = dns_pb2.DnsSettings()
    settings.CopyFrom(message.dns)
    settings.zone = settings.zone or zone
    return ForeignObjects(
        kind=message.kind,
        label_selector=message.label_selector,
        namespace=message.namespace,
        clusters=tuple(message.clusters),
        dns=read_dns(settings, f"{path}.dns", problems),
    )


def zone_message(zone: Zone, state: ZoneState | None) -> zone_pb2.Zone:
    """A zone as protobuf, with what it holds, where it was planned already."""
    spec = zone.spec
    message = zone_pb2.Zone(
        name=f"zones/{zone.name}",
        uid=zone.uid,
        labels=zone.labels,
        spec=zone_pb2.ZoneSpec(
            domain=spec.domain,
            ttl_seconds=spec.ttl_seconds,
            layout=_LAYOUTS[spec.layout],
            max_answers=spec.max_answers,
            frozen=spec.frozen,
            name_servers=[
                zone_pb2.NameServer(host=server.host, addresses=server.addresses) for server in spec.name_servers
            ],
            removals=zone_pb2.NameBudget(
                names=spec.budget.names,
                percent=round(spec.budget.share * 100),
                names_a_minute=spec.budget.names_a_minute,
            ),
            min_healthy=min_healthy_message(spec.min_healthy),
            on_all_down=all_down_value(spec.on_all_down),
            foreign=[
                zone_pb2.ForeignObjects(
                    kind=one.kind,
                    label_selector=one.label_selector,
                    namespace=one.namespace,
                    clusters=one.clusters,
                    dns=dns_message(one.dns),
                )
                for one in spec.foreign
            ],
        ),
        status=zone_pb2.ZoneStatus() if state is None else _status_message(state),
        unit_count=zone.unit_count,
        create_time=timestamp(zone.create_time),
        update_time=timestamp(zone.update_time),
        etag=zone.etag,
    )
    write_provider(spec.provider, message.spec)
    return message


def _status_message(state: ZoneState) -> zone_pb2.ZoneStatus:
    report = state.report
    return zone_pb2.ZoneStatus(
        serial=state.serial,
        record_set_count=state.record_set_count,
        name_count=state.name_count,
        held_record_set_count=report.held_count,
        held_reason=report.held_reason,
        approval=report.approval,
        problems=report.problems,
        warnings=report.warnings,
        change_time=timestamp(state.change_time),
        publication=None if state.publication is None else publication_message(state.publication),
    )


def record_set_message(found: RecordSet) -> zone_pb2.RecordSet:
    """A record set as protobuf."""
    return zone_pb2.RecordSet(name=found.name, type=found.type, ttl_seconds=found.ttl_seconds, values=found.values)
