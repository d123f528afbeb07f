"""Labels and annotations of fedsvc's own objects: the rules of Kubernetes."""

from collections.abc import Mapping

from fedsvc.api.limits import MAX_ANNOTATIONS_BYTES, MAX_LABELS
from fedsvc.api.problems import Problems
from fedsvc.rendering.names import annotation_key_problem, label_key_problem, label_value_problem


def check_labels(labels: Mapping[str, str], path: str, problems: Problems) -> None:
    """Note what is wrong with labels."""
    if len(labels) > MAX_LABELS:
        problems.add(path, f"has {len(labels)} labels; at most {MAX_LABELS} are accepted")
        return
    for key, value in sorted(labels.items()):
        if (problem := label_key_problem(key)) is not None:
            problems.add(f"{path}[{key}]", f"not a valid key: {problem}")
        if (problem := label_value_problem(value)) is not None:
            problems.add(f"{path}[{key}]", problem)


def check_annotations(annotations: Mapping[str, str], path: str, problems: Problems) -> None:
    """Note what is wrong with annotations."""
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > MAX_ANNOTATIONS_BYTES:
        problems.add(path, f"have {size} bytes together; at most {MAX_ANNOTATIONS_BYTES} are accepted")
        return
    for key in sorted(annotations):
        if (problem := annotation_key_problem(key)) is not None:
            problems.add(f"{path}[{key}]", f"not a valid key: {problem}")
