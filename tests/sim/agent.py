"""The agent as a process of its own, as in a pod VM: adopts orphans, has mounts of its own.

Without cgroups, which not every test machine lets us make.

``python -m tests.sim.agent FOLDER`` serves FOLDER/agent.sock; images are folders below
FOLDER/images, the policy is FOLDER/policy.rego. Needs root.
"""

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from casemate.errors import Refusal, VerificationError
from casemate.guest.agent.policy import AgentPolicy
from casemate.guest.agent.sandbox import Folders, Sandbox
from casemate.guest.agent.service import Agent
from casemate.guest.agent.storages import Storages
from casemate.linux import child, libc, mount
from casemate.linux.crun import Crun
from casemate.net.ttrpc import Server

REFUSAL = Refusal(step="pull", claim="image", got="evil", expected="ours", rule="r", remedy="m")


@contextmanager
def running(folder: Path, policy: str) -> Iterator[Path]:
    """Run the agent; gives its socket."""
    (folder / "policy.rego").write_text(policy)
    process = subprocess.Popen([sys.executable, "-m", "tests.sim.agent", str(folder)])
    try:
        socket = folder / "agent.sock"
        for _ in range(500):
            if socket.exists() or process.poll() is not None:
                break
            time.sleep(0.01)
        assert socket.exists(), "the agent did not come up"
        yield socket
    finally:
        process.terminate()
        process.wait(20)


async def serve(folder: Path) -> None:
    libc.unshare(libc.CLONE_NEWNS)
    mount.mount("", Path("/"), "", ["rprivate"])
    mount.mount("cgroup2", Path("/sys/fs/cgroup"), "cgroup2")
    child.adopt_orphans()
    folders = Folders(
        containers=folder / "containers", sandbox=folder / "sandbox", crun=folder / "crun"
    )
    text = (folder / "policy.rego").read_text()

    async def pull(reference: str, bundle: Path) -> None:
        if reference == "evil":
            raise VerificationError(REFUSAL)
        shutil.copytree(folder / "images" / reference, bundle, dirs_exist_ok=True, symlinks=True)

    async def policy() -> AgentPolicy:
        return AgentPolicy(text, name="policy.rego")

    async with asyncio.TaskGroup() as tasks:
        storages = Storages(pull, folders=(folders.sandbox,))
        sandbox = Sandbox(
            Crun(folders.crun, cgroups="disabled"),
            storages,
            tasks,
            folders,
            serve_containers=lambda: asyncio.sleep(0),
        )
        server = Server(Agent(sandbox, policy).services())
        await server.serve_unix(folder / "agent.sock")
        try:
            await sandbox.stopped.wait()
        finally:
            with suppress(asyncio.CancelledError):
                await sandbox.destroy()
            await server.close()


async def main() -> None:
    import signal

    task = asyncio.ensure_future(serve(Path(sys.argv[1])))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    asyncio.run(main())
