import pytest

from casemate.errors import HostError
from casemate.guest.storage import sealing
from casemate.linux import fork


@pytest.mark.parametrize(
    ("outcome", "sealed"), [(sealing.Outcome.SEALED, True), (sealing.Outcome.ABSENT, False)]
)
async def test_status_tells_how_it_went(outcome: sealing.Outcome, *, sealed: bool) -> None:
    assert await sealing.wait(fork.begin(lambda: outcome)) is sealed


@pytest.mark.parametrize("status", [1, fork.FAILED])
async def test_any_other_end_is_no_sealed_disk(status: int) -> None:
    with pytest.raises(HostError, match="want a sealed disk"):
        await sealing.wait(fork.begin(lambda: status))
