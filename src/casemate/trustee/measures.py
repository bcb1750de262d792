"""The Trustee's metrics, in upstream's names (trustee spec §17)."""

from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_DURATIONS: Final = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.5, 1)
_SIZES: Final = (32, 128, 512, 2048, 8192)


class Measures:
    """Every metric of the Trustee, on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        build = Gauge(
            "kbs_build_info", "Build.", ["version", "git_hash", "build_date"], registry=registry
        )
        build.labels(version("casemate"), "", "").set(1)
        self.requests = _counter("kbs_http_requests", "HTTP requests.", registry)
        self.duration = Histogram(
            "kbs_http_request_duration_seconds",
            "Time to answer, in seconds.",
            buckets=_DURATIONS,
            registry=registry,
        )
        self.request_size = Histogram(
            "kbs_http_request_size_bytes", "Request bodies.", buckets=_SIZES, registry=registry
        )
        self.response_size = Histogram(
            "kbs_http_response_size_bytes", "Response bodies.", buckets=_SIZES, registry=registry
        )
        self.active = Gauge("kbs_http_active_connections", "Requests now.", registry=registry)
        self.reads = _by_path("reads", registry)
        self.writes = _by_path("writes", registry)
        self.deletes = _by_path("deletes", registry)
        self.evaluations = _counter("kbs_policy_evaluations", "Policy asked.", registry)
        self.approvals = _counter("kbs_policy_approvals", "Policy said yes.", registry)
        self.violations = _counter("kbs_policy_violations", "Policy said no.", registry)
        self.policy_errors = _counter("kbs_policy_errors", "Policy failed.", registry)
        self.attestations = _counter("kbs_attestation_requests", "Attestations.", registry)
        self.attestation_errors = _counter("kbs_attestation_errors", "Not appraised.", registry)
        self.attested = _by_tee("successes", registry)
        self.refused = _by_tee("failures", registry)
        self.auths = _counter("kbs_auth_requests", "Challenges asked for.", registry)
        self.auth_successes = _counter("kbs_auth_successes", "Challenges given.", registry)
        self.auth_errors = _counter("kbs_auth_errors", "Challenges refused.", registry)


def _counter(name: str, text: str, registry: CollectorRegistry) -> Counter:
    return Counter(name, text, registry=registry)


def _by_path(verb: str, registry: CollectorRegistry) -> Counter:
    return Counter(
        f"kbs_resource_{verb}", f"Resource {verb}.", ["resource_path"], registry=registry
    )


def _by_tee(outcome: str, registry: CollectorRegistry) -> Counter:
    return Counter(
        f"kbs_attestation_{outcome}", f"Attestation {outcome}.", ["tee_type"], registry=registry
    )
