"""How zones stand on the name servers of others, for alerts."""

import contextlib

from fedsvc.controllers import metrics
from fedsvc.model.zone_provider import Publication


def tell_metrics(zone: str, stands: Publication) -> None:
    """Set what is measured of a zone."""
    metrics.ZONE_TROUBLE.labels(zone).set(bool(stands.trouble))
    metrics.ZONE_REFUSED.labels(zone).set(stands.refused_count)


def drop_metrics(zone: str) -> None:
    """Measure a zone no more: it is kept nowhere, or not by this process."""
    for gauge in (metrics.ZONE_TROUBLE, metrics.ZONE_REFUSED):
        with contextlib.suppress(KeyError):
            gauge.remove(zone)
