"""Fleet settings between protobuf and the model."""

from typing import Final

from fedsvc.api.convert.common import inverted, matcher_message, read_enum, read_matcher, timestamp
from fedsvc.api.convert.removal import budget_message, read_budget
from fedsvc.api.convert.rules import TOPOLOGIES
from fedsvc.api.problems import Problems
from fedsvc.model.fleet import FLEET_SETTINGS_NAME, FleetSettings, FleetSpec, RegionDistance
from fedsvc.model.freeze import WEEKDAYS, FreezeWindow
from fedsvc.v1 import fleet_pb2
from fedsvc_placement import DataCopy, Dataset, Headroom, Topology

# Other rules default to the cluster; what is lost together has to be said.
_READ_TOPOLOGIES: Final = inverted(TOPOLOGIES)


def fleet_message(settings: FleetSettings) -> fleet_pb2.FleetSettings:
    """The settings as protobuf."""
    spec = settings.spec
    return fleet_pb2.FleetSettings(
        name=FLEET_SETTINGS_NAME,
        spec=fleet_pb2.FleetSettingsSpec(
            distances=[_distance_message(distance) for distance in spec.distances],
            datasets=[_dataset_message(dataset) for dataset in spec.datasets],
            headroom=None
            if spec.headroom is None
            else fleet_pb2.Headroom(by=TOPOLOGIES[Topology(spec.headroom.by)], label_key=spec.headroom.label_key),
            freezes=[_freeze_message(window) for window in spec.freezes],
            removals=budget_message(spec.removals),
        ),
        update_time=timestamp(settings.update_time),
        etag=settings.etag,
    )


def read_fleet_spec(message: fleet_pb2.FleetSettingsSpec, path: str, problems: Problems) -> FleetSpec:
    """The settings of protobuf, in the order in which they are kept."""
    headroom: Headroom | None = None
    if message.HasField("headroom"):
        by = read_enum(message.headroom.by, _READ_TOPOLOGIES, f"{path}.headroom.by", problems)
        headroom = Headroom(by=by, label_key=message.headroom.label_key)
    return FleetSpec(
        distances=tuple(
            sorted(
                (
                    RegionDistance(region=entry.region, other=entry.other, milliseconds=entry.milliseconds)
                    for entry in message.distances
                ),
                key=lambda distance: (distance.region, distance.other),
            )
        ),
        datasets=tuple(sorted((_read_dataset(entry) for entry in message.datasets), key=lambda found: found.name)),
        headroom=headroom,
        removals=read_budget(message.removals),
        freezes=tuple(sorted((read_freeze(entry) for entry in message.freezes), key=lambda window: window.name)),
    )


def _distance_message(distance: RegionDistance) -> fleet_pb2.RegionDistance:
    return fleet_pb2.RegionDistance(region=distance.region, other=distance.other, milliseconds=distance.milliseconds)


def _freeze_message(window: FreezeWindow) -> fleet_pb2.FreezeWindow:
    return fleet_pb2.FreezeWindow(
        name=window.name,
        start=window.start,
        end=window.end,
        days=window.days,
        time_zone=window.time_zone,
        clusters=matcher_message(window.clusters),
        namespaces=window.namespaces,
        units=window.units,
    )


def read_freeze(message: fleet_pb2.FreezeWindow) -> FreezeWindow:
    """A freeze window of protobuf, its days, namespaces and units in the order in which they are kept."""
    return FreezeWindow(
        name=message.name,
        start=message.start,
        end=message.end,
        days=tuple(sorted(set(message.days), key=_place_of_day)),
        time_zone=message.time_zone or "UTC",
        clusters=read_matcher(message.clusters) if message.HasField("clusters") else None,
        namespaces=tuple(sorted(set(message.namespaces))),
        units=tuple(sorted(set(message.units))),
    )


def _place_of_day(day: str) -> int:
    return WEEKDAYS.index(day) if day in WEEKDAYS else len(WEEKDAYS)


def _dataset_message(dataset: Dataset) -> fleet_pb2.Dataset:
    return fleet_pb2.Dataset(
        name=dataset.name,
        primary=dataset.primary,
        copies=[fleet_pb2.DataCopy(cluster=copy.cluster, lag_seconds=copy.lag_seconds) for copy in dataset.copies],
    )


def _read_dataset(message: fleet_pb2.Dataset) -> Dataset:
    copies = (
        DataCopy(cluster=entry.cluster, lag_seconds=entry.lag_seconds if entry.HasField("lag_seconds") else None)
        for entry in message.copies
    )
    return Dataset(
        name=message.name, primary=message.primary, copies=tuple(sorted(copies, key=lambda copy: copy.cluster))
    )
