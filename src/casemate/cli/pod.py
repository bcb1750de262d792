"""``casemate pod``."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from casemate.cli import output

if TYPE_CHECKING:
    from casemate.runtime.output import Output
    from casemate.runtime.record import Container, Pod
    from casemate.runtime.request import PodRequest
    from casemate.trace import Span


@click.group
def command() -> None:
    """Run confidential pods: each in its own measured VM.

    POD is a pod's id, the beginning of it, or its name.

    \b
    Example:
      casemate pod run localhost:5443/demo/app:1
      casemate pod logs app
    """


@command.command
@click.argument("image", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("-f", "--file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Kubernetes Pod (v1) instead of an image.")  # fmt: skip
@click.option("--initdata", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Initdata TOML; default: STATE/initdata.toml, if there.")  # fmt: skip
@click.option("--policy", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Agent policy (Rego) to put into the initdata.")  # fmt: skip
@click.option("--env", "environment", multiple=True, metavar="K=V", help="Set a variable.")
@click.option("--name", help="Name of the pod; default: from the image.")
@click.option("--podvm", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Pod VM image folder instead of the adaptor's own.")  # fmt: skip
@click.option("--memory", type=click.IntRange(256), help="RAM of the VM, in MiB.")
@click.option("--vcpus", type=click.IntRange(1), help="vCPUs of the VM.")
@click.option("--wait", is_flag=True, help="Show its output and wait until it has ended.")
@click.option("--rm", "remove", is_flag=True, help="Remove the pod when it has ended.")
@output.state_option
@output.json_option
def run(
    *,
    image: str | None,
    arguments: tuple[str, ...],
    file: Path | None,
    initdata: Path | None,
    policy: Path | None,
    environment: tuple[str, ...],
    name: str | None,
    podvm: Path | None,
    memory: int | None,
    vcpus: int | None,
    wait: bool,
    remove: bool,
    state: Path,
    as_json: bool,
) -> int:
    """Run IMAGE in a pod VM, with ARGUMENTS in place of the image's own; print the pod's id.

    The VM belongs to the adaptor: the pod runs on when this command ends. Exit status 1 and the
    reason when it is refused at any station.

    \b
    Example:
      casemate pod run --initdata demo.toml localhost:5443/demo/app:1
      casemate pod run -f pod.yaml --wait --rm
    """
    import asyncio
    import time

    from casemate.runtime import asking
    from casemate.runtime.sandbox import Sandboxes

    wishes = asking.Wishes(
        image=image or "",
        arguments=arguments,
        file=file,
        initdata=initdata or _present(state / "initdata.toml"),
        policy=policy,
        environment=environment,
        name=name or "",
        podvm=podvm.absolute() if podvm else None,
        memory=memory or 0,
        vcpus=vcpus or 0,
    )
    request: PodRequest = asking.request(wishes)
    sandboxes = Sandboxes(state)
    begin = time.monotonic()
    with output.steps(f"Pod {request.name}") as step:
        pod = asyncio.run(sandboxes.run(request, progress=step, remove=remove and not wait))
    taken = time.monotonic() - begin
    if as_json:
        output.print_json(_started(pod, sandboxes.trace(pod), taken))
    elif not wait:
        print(pod.id)
    if not wait:
        return 0
    status = _follow(state, pod, quiet=as_json)
    if remove:
        asyncio.run(sandboxes.remove(sandboxes.pods.read(pod.id)))
    return status


@command.command
@output.state_option
@output.json_option
def ps(*, state: Path, as_json: bool) -> None:
    """List pods and what their VMs use.

    \b
    Example:
      casemate pod ps --json
    """
    import asyncio

    from casemate.runtime.listing import listing
    from casemate.runtime.record import SHORT

    rows = asyncio.run(listing(state))
    if as_json:
        output.print_json(rows)
        return
    columns = ("pod", "name", "state", "age", "guest memory", "containers")
    output.print_table(
        columns,
        [
            (r.pod[:SHORT], r.name, r.state, r.age_text, r.memory_text, r.containers_text)
            for r in rows
        ],
    )


@command.command
@click.argument("pod")
@click.option("-c", "--container", help="Which container; default: the first.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@output.state_option
@output.json_option
def logs(*, pod: str, container: str | None, follow: bool, state: Path, as_json: bool) -> None:
    """Print what a container wrote, if its policy lets the host read it.

    \b
    Example:
      casemate pod logs app
    """
    from casemate.runtime.output import Output
    from casemate.runtime.sandbox import Sandboxes

    pods = Sandboxes(state).pods
    found = pods.find(pod)
    chosen = _container(found, container)
    read = Output(pods, found.id, chosen)
    if as_json:
        output.print_json(
            {"pod": found.id, "container": chosen.id, "stdout": read.text("Stdout"),
             "stderr": read.text("Stderr")}
        )  # fmt: skip
        return
    _print_output(read, follow=follow)


@command.command(name="exec", context_settings={"ignore_unknown_options": True})
@click.argument("pod")
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND…")
@click.option("-c", "--container", help="Which container; default: the first.")
@output.state_option
@output.json_option
def execute(
    *, pod: str, arguments: tuple[str, ...], container: str | None, state: Path, as_json: bool
) -> int:
    """Run COMMAND in a container, if its policy lets the host do so; give its exit status.

    \b
    Example:
      casemate pod exec app -- cat /etc/hostname
    """
    import asyncio
    import sys

    from casemate.runtime.execution import execute as start
    from casemate.runtime.sandbox import Sandboxes

    found = Sandboxes(state).pods.find(pod)
    done = asyncio.run(start(found, _container(found, container), arguments))
    if as_json:
        output.print_json(
            {"status": done.status, "stdout": done.stdout.decode(errors="replace"),
             "stderr": done.stderr.decode(errors="replace")}
        )  # fmt: skip
        return 0
    sys.stdout.buffer.write(done.stdout)
    sys.stderr.buffer.write(done.stderr)
    return done.status


@command.command
@click.argument("pod")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path),
              help="Write a timeline that a browser shows, needing nothing else.")  # fmt: skip
@output.state_option
@output.json_option
def trace(*, pod: str, html: Path | None, state: Path, as_json: bool) -> None:
    """Show the road of a pod, also of a removed one: eleven stations with their times.

    \b
    Example:
      casemate pod trace app --html app.html
    """
    from casemate.runtime import timeline
    from casemate.runtime.tracing import trace_of

    found = trace_of(state, pod)
    if html is not None:
        output.write_file(html, timeline.html(found))
        output.say(f"Timeline: {html}")
    if as_json:
        output.print_json(found)
    elif html is None:
        output.print_table(("station", "seconds", "where", "note"), timeline.rows(found))


@command.command
@click.argument("pods", nargs=-1, metavar="POD…")
@click.option("--all", "every", is_flag=True, help="Remove every pod.")
@output.state_option
@output.json_option
def rm(*, pods: Sequence[str], every: bool, state: Path, as_json: bool) -> None:
    """Remove pods: containers, VM, TPM and keys are gone; the trace is kept.

    \b
    Example:
      casemate pod rm app
    """
    import asyncio

    from casemate.errors import InputError
    from casemate.runtime.sandbox import Sandboxes

    if bool(pods) == every:
        raise InputError("casemate pod rm", got=" ".join(pods) or "nothing", want="POD… or --all")
    sandboxes = Sandboxes(state)
    found = sandboxes.pods.all() if every else [sandboxes.pods.find(pod) for pod in pods]
    for pod in found:
        asyncio.run(sandboxes.remove(pod))
        if not as_json:
            print(pod.id)
    if as_json:
        output.print_json({"removed": [pod.id for pod in found]})


def _present(file: Path) -> Path | None:
    return file if file.is_file() else None


def _started(pod: "Pod", spans: "Sequence[Span]", seconds: float) -> dict[str, Any]:
    from casemate.runtime import road

    return {
        "pod": pod.id,
        "name": pod.name,
        "container": pod.containers[0].id,
        "containers": [{"name": c.name, "id": c.id, "image": c.image} for c in pod.containers],
        "seconds": round(seconds, 3),
        "spans": {s.value: round(t, 3) for s, t in road.seconds(spans).items()},
    }


def _container(pod: "Pod", name: str | None) -> "Container":
    from casemate.errors import InputError

    found = [c for c in pod.containers if name is None or name in {c.name, c.id}]
    if not found:
        known = ", ".join(c.name for c in pod.containers) or "none"
        raise InputError("container", got=name or "none", want=f"one of the pod's: {known}")
    return found[0]


def _follow(state: Path, pod: "Pod", *, quiet: bool) -> int:
    """Show the first container's output until all have ended; give its exit code."""
    from casemate.runtime.output import Output, ended
    from casemate.runtime.sandbox import Sandboxes

    pods = Sandboxes(state).pods
    read = Output(pods, pod.id, pod.containers[0])
    if not quiet:
        _print_output(read, follow=True)
    return ended(pods, pod.id)


def _print_output(read: "Output", *, follow: bool) -> None:
    import sys

    ways: dict[str, Callable[[bytes], Any]] = {
        "Stdout": sys.stdout.buffer.write,
        "Stderr": sys.stderr.buffer.write,
    }
    for stream, data in read.pieces(follow=follow):
        ways[stream](data)
        sys.stdout.buffer.flush()
        sys.stderr.buffer.flush()
