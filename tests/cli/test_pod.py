"""``casemate pod`` as a person runs it: a process of its own, against a node with simulated VMs."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Stage, stage
from tests.sim.podvm import SimulatedAgent

__all__ = ["stage"]  # pytest finds the fixture here

IMAGE = "localhost:5000/demo/app:1"


async def _casemate(state: Path, noun: str, *words: str | Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "casemate.cli.main", "pod", noun, "--state", str(state)),
        *map(str, words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def _json(state: Path, noun: str, *words: str | Path) -> Any:
    status, out, err = await _casemate(state, noun, "--json", *words)
    assert status == 0, err
    return json.loads(out)


async def test_a_pods_life(stage: Stage, tmp_path: Path) -> None:
    made = await _json(stage.state, "run", "--env", "A=1", IMAGE, "say", "hello")
    assert set(made) >= {"pod", "container", "spans", "seconds", "containers", "name"}
    agent: SimulatedAgent = stage.cloud.agents[made["pod"]]
    (request,) = agent.created
    assert list(request.OCI.Process.Env) == ["A=1"]

    (row,) = await _json(stage.state, "ps")
    assert (row["pod"], row["state"]) == (made["pod"], "running")

    for _ in range(100):
        logs = await _json(stage.state, "logs", "app")
        if logs["stdout"]:
            break
    assert logs["stdout"] == "say hello\n"

    done = await _json(stage.state, "exec", "app", "--", "ls", "-l")
    assert done == {"status": 7, "stdout": "ls -l", "stderr": ""}
    status, out, _ = await _casemate(stage.state, "exec", "app", "ls")
    assert (status, out) == (7, "ls")

    assert await _json(stage.state, "rm", "app") == {"removed": [made["pod"]]}
    assert stage.cloud.deleted == [made["pod"]]
    trace = await _json(stage.state, "trace", "app", "--html", tmp_path / "t.html")
    assert {"request", "launch", "boot", "serve", "stop"} <= set(trace["totals"])
    assert "<svg" in (tmp_path / "t.html").read_text()
    assert await _json(stage.state, "ps") == []


async def test_waiting_shows_the_output_and_gives_the_exit_code(stage: Stage) -> None:
    def ends_with_4(agent: SimulatedAgent) -> None:
        agent.exit_code = 4
        agent.ended.set()

    stage.cloud.prepare = ends_with_4
    status, out, err = await _casemate(stage.state, "run", "--wait", "--rm", IMAGE, "say", "bye")
    assert (status, out) == (4, "say bye\n"), err
    assert list((stage.state / "pods").glob("*/pod.json")) == []


async def test_a_refused_pod_exits_1_with_its_reason(stage: Stage) -> None:
    stage.cloud.refuse_boot = True
    status, out, _ = await _casemate(stage.state, "run", "--json", IMAGE)
    assert status == 1
    assert json.loads(out)["refused"]["claim"] == "pcr11"
    status, out, err = await _casemate(stage.state, "run", IMAGE)
    assert (status, out) == (1, "")
    for word in ("pcr11", "aa", "bb", "tpm.6", "Build it again."):
        assert word in err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("run",), "an image"),
        (("run", "-f", "/nonexistent", IMAGE), "/nonexistent"),
        (("run", "--memory", "1", IMAGE), "memory"),
        (("run", "--env", "nonsense", IMAGE), "K=V"),
        (("run", "--strange", IMAGE), "--strange"),
        (("logs", "nobody"), "casemate pod ps"),
        (("exec", "nobody", "true"), "casemate pod ps"),
        (("trace", "nobody"), "casemate pod ps"),
        (("rm",), "--all"),
        (("rm", "nobody"), "casemate pod ps"),
    ],
)
async def test_a_mistake_exits_2_and_says_what_is_wanted(
    tmp_path: Path, words: tuple[str, ...], hint: str
) -> None:
    status, out, err = await _casemate(tmp_path, *words)
    assert (status, out) == (2, "")
    assert hint in err


async def test_without_a_stack_the_way_to_one_is_named(tmp_path: Path) -> None:
    status, _, err = await _casemate(tmp_path, "run", IMAGE)
    assert status == 2
    assert "casemate up" in err
