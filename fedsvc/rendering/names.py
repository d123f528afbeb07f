"""What Kubernetes accepts as names, label keys and values: the API server's own rules, with words that help.

Each function returns what is wrong, or None. Source: the Kubernetes documentation, "Object Names and IDs" and "Labels
and Selectors", RFC 1123 and RFC 1035.
"""

import re
from typing import Final

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

_RBAC_GROUP: Final = "rbac.authorization.k8s.io"
_CRON_JOB_LIMIT: Final = 52  # the names of its Jobs get 11 characters more and must stay labels


def dns_label_problem(name: str) -> str | None:
    """What keeps `name` from being an RFC 1123 label (namespaces)."""
    return _name_problem(
        name, _LABEL, 63, "lower-case letters, digits and '-', beginning and ending with a letter or digit"
    )


def dns_1035_problem(name: str) -> str | None:
    """What keeps `name` from being an RFC 1035 label (Services: the name becomes part of a DNS name)."""
    return _name_problem(
        name,
        _DNS_1035,
        63,
        "lower-case letters, digits and '-', beginning with a letter, ending with a letter or digit",
    )


def subdomain_problem(name: str, limit: int = 253) -> str | None:
    """What keeps `name` from being an RFC 1123 subdomain (most kinds)."""
    return _name_problem(
        name,
        _SUBDOMAIN,
        limit,
        "lower-case letters, digits, '-' and '.', each part beginning and ending with a letter or digit",
    )


def path_segment_problem(name: str) -> str | None:
    """What keeps `name` from being one segment of a URL path (RBAC kinds)."""
    if name in ("", ".", ".."):
        return f"'{name}' is not a name"
    if "/" in name or "%" in name:
        return f"'{name}' may not contain '/' or '%'"
    return None


def object_name_problem(group: str, kind: str, name: str) -> str | None:
    """What keeps `name` from being the name of an object of this kind."""
    if group == _RBAC_GROUP:
        return path_segment_problem(name)
    if (group, kind) == ("", "Namespace"):
        return dns_label_problem(name)
    if (group, kind) == ("", "Service"):
        return dns_1035_problem(name)
    if (group, kind) == ("batch", "CronJob"):
        return subdomain_problem(name, _CRON_JOB_LIMIT)
    return subdomain_problem(name)


def label_key_problem(key: str) -> str | None:
    """What keeps `key` from being a label or annotation key: ``name`` or ``prefix/name``."""
    prefix, slash, name = key.rpartition("/")
    if slash and (problem := subdomain_problem(prefix)) is not None:
        return f"the part before '/' is a DNS name: {problem}"
    if not name:
        return "a key needs a name" + (" after '/'" if slash else "")
    if len(name) > 63:
        return f"the name '{name}' has {len(name)} characters; at most 63 are allowed"
    if _QUALIFIED.fullmatch(name) is None:
        return f"'{name}' must be letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
    return None


def annotation_key_problem(key: str) -> str | None:
    """What keeps `key` from being an annotation key: as for labels, in any case."""
    return label_key_problem(key.lower())


def label_value_problem(value: str) -> str | None:
    """What keeps `value` from being a label's value."""
    if len(value) > 63:
        return f"the value has {len(value)} characters; at most 63 are allowed"
    if value and _QUALIFIED.fullmatch(value) is None:
        return f"'{value}' must be empty or letters, digits, '-', '_' and '.', with a letter or digit at both ends"
    return None


def _name_problem(name: str, pattern: re.Pattern[str], limit: int, rule: str) -> str | None:
    if not name:
        return "must not be empty"
    if len(name) > limit:
        return f"has {len(name)} characters; at most {limit} are allowed"
    if pattern.fullmatch(name) is not None:
        return None
    message = f"'{name}' must be {rule}"
    mended = re.sub(r"[\s_]+", "-", name.strip().lower())
    if mended != name and pattern.fullmatch(mended) is not None:
        message += f"; '{mended}' would do"
    return message
