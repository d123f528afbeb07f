"""Which objects a list or watch is about: namespace, labels and fields together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedsvc.simulator.errors import bad_request
from fedsvc.simulator.kinds import Kind, KindKey
from fedsvc.simulator.selectors import LabelMatcher, SelectorError, UnsupportedFieldError, parse_fields, parse_labels
from fedsvc.simulator.store import Stored

_COMMON = frozenset({"metadata.name", "metadata.namespace"})
_FIELDS: dict[KindKey, frozenset[str]] = {
    ("", "pods"): frozenset(
        {
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
        }
    ),
    ("", "events"): frozenset(
        {
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.uid",
            "reason",
            "source",
            "type",
        }
    ),
    ("", "namespaces"): frozenset({"status.phase"}),
    ("", "nodes"): frozenset({"spec.unschedulable"}),
    ("", "secrets"): frozenset({"type"}),
    ("batch", "jobs"): frozenset({"status.successful"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A list's or watch's selection."""

    namespace: str
    name: str  # of a field selector metadata.name=...: most of them are that
    labels: LabelMatcher | None
    fields: tuple[tuple[str, str, bool], ...]

    @property
    def everything(self) -> bool:
        """Whether nothing but the namespace limits it."""
        return self.labels is None and not self.fields and not self.name

    def matches(self, stored: Stored) -> bool:
        """Whether an object is selected."""
        if self.namespace and stored.namespace != self.namespace:
            return False
        if self.name and stored.name != self.name:
            return False
        if self.labels is not None and not self.labels(stored.labels):
            return False
        return all((_field(stored.body, name) == value) is equal for name, value, equal in self.fields)


def read_filter(kind: Kind, namespace: str, query: Mapping[str, str]) -> Filter:
    """The selection of a request.

    Raises:
        ApiError: 400 for selectors that cannot be read or fields that cannot be selected by.
    """
    try:
        labels = parse_labels(query.get("labelSelector", ""))
        fields = parse_fields(query.get("fieldSelector", ""), _COMMON | _FIELDS.get(kind.key, frozenset()))
    except UnsupportedFieldError as error:
        if kind.key in _FIELDS:
            raise bad_request(f"field label not supported: {error}") from error
        known = '"metadata.name", "metadata.namespace"'
        raise bad_request(f'"{error}" is not a known field selector: only {known}') from error
    except SelectorError as error:
        raise bad_request(str(error)) from error
    name = next((value for field, value, equal in fields if equal and field == "metadata.name"), "")
    rest = tuple(entry for entry in fields if entry != ("metadata.name", name, True))
    return Filter(namespace=namespace, name=name, labels=labels, fields=rest)


def _field(body: Mapping[str, Any], path: str) -> str:
    value: Any = body
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
