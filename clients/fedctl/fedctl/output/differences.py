"""What an apply would change in clusters, as text: an object a paragraph, a field a line or two."""

import json
from typing import Any

from rich.console import Console

from fedctl.output import words
from fedctl.output.views import object_text
from fedsvc.v1 import ownership_service_pb2 as pb

_WORDS = {
    pb.DIFFERENCE_TYPE_ADDED: ("is not there and would be made", "green"),
    pb.DIFFERENCE_TYPE_CHANGED: ("would be changed", "yellow"),
    pb.DIFFERENCE_TYPE_REMOVED: ("is there and is to go", "red"),
    pb.DIFFERENCE_TYPE_FOREIGN: ("is there and somebody else's", "yellow"),
}
_MAX_INLINE = 60  # characters of a value that stands in one line with its path


def print_differences(console: Console, answer: pb.DiffUnitResponse) -> None:
    """Print what differs; `-` is what is there, `+` what would be."""
    cluster = ""
    for entry in answer.differences:
        if entry.cluster != cluster:
            cluster = entry.cluster
            console.print(f"cluster/{cluster}", style="bold")
        told, style = _WORDS.get(entry.type, ("differs", "yellow"))
        console.print(f"  {object_text(entry.ref)} ", end="")
        console.print(told, style=style)
        for field in entry.fields:
            _print_field(console, field)
        if entry.refusal:
            console.print(f"    refused: {words.one_line(entry.refusal)}", style="red")


def _print_field(console: Console, field: pb.FieldDifference) -> None:
    others = [name for name in field.managers if name != "fedsvc"]
    by = f"  (by {', '.join(others)})" if others else ""
    console.print(f"    {field.path}{by}")
    for mark, text, style in (("-", field.live_json, "red"), ("+", field.desired_json, "green")):
        for line in _lines(text):
            console.print(f"      {mark} {line}", style=style)


def _lines(text: str) -> list[str]:
    if not text:
        return []
    value: Any = json.loads(text)
    if isinstance(value, str) and "\n" in value:
        return value.splitlines()
    if len(text) <= _MAX_INLINE or not isinstance(value, dict | list):
        return [text]
    return json.dumps(value, indent=2, ensure_ascii=False).splitlines()
