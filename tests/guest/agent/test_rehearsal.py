"""A container of nothing on a machine that cannot make one; with the real crun: test_service.py."""

from pathlib import Path

import pytest

from casemate.errors import HostError
from casemate.guest.agent import rehearsal
from casemate.linux.crun import Crun, Stdio


class Broken(Crun):
    """A runtime that makes nothing; says what it was asked."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.deleted: list[str] = []

    async def create(
        self, container: str, bundle: Path, stdio: Stdio, *, console: Path | None = None
    ) -> int:
        del stdio, console
        assert container == rehearsal.NAME
        assert (bundle / "config.json").exists()
        raise HostError("crun create", got="no cgroups", want="a process")

    async def delete(self, container: str) -> None:
        self.deleted.append(container)


@pytest.mark.root
async def test_machine_that_cannot_make_containers_is_told_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    crun = Broken(tmp_path / "crun")
    with pytest.raises(HostError, match="no cgroups"):
        await rehearsal.rehearse(crun, tmp_path / "containers")
    assert crun.deleted == [rehearsal.NAME]
    assert list((tmp_path / "containers").iterdir()) == []


async def test_folder_that_cannot_be_made_is_the_machines_failure(tmp_path: Path) -> None:
    (tmp_path / "containers").write_text("")
    with pytest.raises(HostError, match="container of nothing"):
        await rehearsal.rehearse(Broken(tmp_path / "crun"), tmp_path / "containers")
