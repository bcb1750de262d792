"""A container of nothing, made and taken away while the first image is pulled.

It shows that this machine can make containers before an image is there, and loads what making one
takes: the first container does not wait for it.
"""

import shutil
from pathlib import Path
from typing import Final

from casemate.errors import HostError
from casemate.guest.agent import bundle, users
from casemate.guest.agent.container import Container
from casemate.guest.agent.image_defaults import ImageDefaults
from casemate.linux.crun import Crun
from casemate.wire.pb import oci_pb2

NAME: Final = "_rehearsal"
"""No container of the host's is called so (``Sandbox.create_container``)."""
_NOTHING: Final = "nothing"


async def rehearse(crun: Crun, containers: Path) -> None:
    """Make the container, which is never started, and delete it.

    Args:
        crun: the runtime.
        containers: folder of the pod's bundles; nothing is left in it.

    Raises:
        HostError: this machine cannot make containers.
    """
    folder = containers / NAME
    container = Container(NAME, folder, crun)
    try:
        root = folder / "rootfs"
        root.mkdir(parents=True, mode=0o700)
        (root / _NOTHING).touch(mode=0o755)
        place = bundle.Place(container=NAME, rootfs=root)
        spec = oci_pb2.Spec(Process=oci_pb2.Process(Args=[f"/{_NOTHING}"]))
        document = bundle.compose(spec, place, ImageDefaults(), users.read(root))
        process = await container.create(document, "")
        await container.remove()
        await process.watch()
    except OSError as error:
        raise HostError("container of nothing", got=error, want="a folder for it") from error
    except BaseException:
        await container.remove()
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
