"""What runs on this node, with what the guests say they use."""

import asyncio
import time
from pathlib import Path
from typing import Final

import msgspec

from casemate.errors import CasemateError
from casemate.runtime.agent import Agent
from casemate.runtime.record import Container, Pod, Pods, PodState

_PATIENCE: Final = 10.0
"""Seconds for a guest to tell its numbers."""


class ListedContainer(msgspec.Struct, frozen=True, kw_only=True):
    """One container, as ``pod ps`` shows it."""

    name: str
    id: str
    image: str
    state: str
    exit_code: int | None


class ListedPod(msgspec.Struct, frozen=True, kw_only=True):
    """One pod, as ``pod ps`` shows it."""

    pod: str
    name: str
    state: str
    created: float
    containers: tuple[ListedContainer, ...]
    message: str = ""
    metrics: dict[str, float] = {}
    """What the guest tells of itself, by metric name; empty when it does not answer."""

    @property
    def age_text(self) -> str:
        age = max(0, int(time.time() - self.created))
        return f"{age} s" if age < 120 else f"{age // 60} min"

    @property
    def memory_text(self) -> str:
        """What the guest's own process holds, not its containers."""
        resident = self.metrics.get("process_resident_memory_bytes")
        return "-" if resident is None else f"{resident / (1 << 20):.0f} MiB"

    @property
    def containers_text(self) -> str:
        return ", ".join(f"{c.name} ({c.state})" for c in self.containers)


async def listing(state: Path) -> list[ListedPod]:
    """List every pod of a state folder; running guests are asked at the same time."""
    pods = Pods(state).all()
    return list(await asyncio.gather(*(_listed(pod) for pod in pods)))


async def _listed(pod: Pod) -> ListedPod:
    metrics, shown = {}, pod.state.value
    if pod.state in {PodState.RUNNING, PodState.EXITED}:
        try:
            metrics = await _metrics(pod)
        except CasemateError:
            shown = PodState.LOST.value
        except TimeoutError:
            shown = f"{shown}, silent"
    return ListedPod(
        pod=pod.id,
        name=pod.name,
        state=shown,
        created=pod.created,
        message=pod.message,
        metrics=metrics,
        containers=tuple(
            ListedContainer(
                name=c.name,
                id=c.id,
                image=c.image,
                state=_state(c, shown),
                exit_code=c.exit_code,
            )
            for c in pod.containers
        ),
    )


def _state(container: Container, pod: str) -> str:
    if container.exit_code is not None:
        return f"ended {container.exit_code}"
    return "lost" if pod == PodState.LOST else "running"


async def _metrics(pod: Pod) -> dict[str, float]:
    async with asyncio.timeout(_PATIENCE):
        async with await Agent.connect(Path(pod.agent)) as agent:
            return parse_metrics(await agent.metrics())


def parse_metrics(text: str) -> dict[str, float]:
    """Read plain samples (no labels) of the Prometheus text format; the rest is left out."""
    found: dict[str, float] = {}
    for line in text[: 1 << 20].splitlines():
        name, _, value = line.partition(" ")
        if name and not name.startswith("#") and "{" not in name:
            try:
                found[name] = float(value)
            except ValueError:
                continue
    return found
