"""A registry of metrics for one process: made by its composition root and handed down."""

from prometheus_client import CollectorRegistry, generate_latest


def registry() -> CollectorRegistry:
    """Make an empty registry; a daemon has exactly one."""
    return CollectorRegistry(auto_describe=True)


def render(metrics: CollectorRegistry) -> bytes:
    """Give the Prometheus text form of all metrics."""
    return generate_latest(metrics)
