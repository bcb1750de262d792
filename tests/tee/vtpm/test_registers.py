"""What is done to registers, with a TPM that the host answers for."""

import pytest

from casemate.crypto.digest import sha256
from casemate.errors import HostError
from casemate.linux.tpm import TpmLateError
from casemate.tee.vtpm.registers import bind_init_data
from casemate.tee.vtpm.tpm import Tpm
from casemate.wire.tpm import PcrSelection, encode_selections


class OneRegister:
    """Whatever is asked, gives one register, and counts how often it was asked."""

    def __init__(self, index: int, value: bytes) -> None:
        given = encode_selections((PcrSelection.of((index,)),))
        digests = (1).to_bytes(4, "big") + len(value).to_bytes(2, "big") + value
        body = bytes(4) + given + digests
        self._answer = b"\x80\x01" + (10 + len(body)).to_bytes(4, "big") + bytes(4) + body
        self.asked = 0

    def transmit(self, command: bytes) -> bytes:
        del command
        self.asked += 1
        assert self.asked < 9, "asked for ever"
        return self._answer


@pytest.mark.parametrize("index", [0, 7, 9, 23])
def test_register_that_was_not_asked_for_is_no_answer(index: int) -> None:
    tpm = OneRegister(index, bytes(32))
    with pytest.raises(HostError, match="PCR 8"):
        bind_init_data(Tpm(tpm), sha256(b"initdata"))
    assert tpm.asked == 1


@pytest.mark.parametrize("value", [b"", bytes(31), bytes(31) + b"\1"])
def test_register_in_use_or_of_another_size_is_not_extended(value: bytes) -> None:
    tpm = OneRegister(8, value)
    with pytest.raises(HostError, match="PCR 8"):
        bind_init_data(Tpm(tpm), sha256(b"initdata"))
    assert tpm.asked == 1


def test_registers_that_are_kept_back_are_not_asked_for_again_and_again() -> None:
    assert Tpm(OneRegister(3, b"x" * 32)).pcrs() == tuple(
        b"x" * 32 if index == 3 else b"" for index in range(24)
    )


READ, EXTEND = 0x17E, 0x182


class LateTpm:
    """One register, and a kernel that gives up waiting: by command, before or after it was done."""

    def __init__(self, *late: tuple[int, str]) -> None:
        self.value = bytes(32)
        self._late = [*late]

    def transmit(self, command: bytes) -> bytes:
        code = int.from_bytes(command[6:10], "big")
        when = next((when for kind, when in self._late if kind == code), "")
        if when:
            self._late.remove((code, when))
        if code == EXTEND and when != "before":
            self.value = sha256(self.value + command[-32:]).value
        if when:
            raise TpmLateError("tpm", got="Timer expired", want="answer")
        if code == READ:
            return OneRegister(8, self.value).transmit(command)
        return bytes.fromhex("80020000001300000000000000000000010000")


@pytest.mark.parametrize(
    "late",
    [
        (),
        ((EXTEND, "before"),),
        ((EXTEND, "after"),),
        ((EXTEND, "before"), (EXTEND, "before")),
        ((EXTEND, "before"), (READ, "before"), (EXTEND, "after"), (READ, "before")),
        ((READ, "before"), (READ, "before")),
    ],
)
def test_initdata_is_bound_once_by_a_tpm_that_answers_late(
    late: tuple[tuple[int, str], ...],
) -> None:
    tpm = LateTpm(*late)
    bind_init_data(Tpm(tpm), sha256(b"initdata"))
    assert tpm.value == sha256(bytes(32) + sha256(b"initdata").value).value


@pytest.mark.parametrize("kind", [READ, EXTEND])
def test_tpm_that_is_always_late_is_told_of(kind: int) -> None:
    with pytest.raises(HostError, match="Timer expired"):
        bind_init_data(Tpm(LateTpm(*[(kind, "before")] * 9)), sha256(b"initdata"))


def test_register_that_another_extends_meanwhile_is_not_ours() -> None:
    class Meddled(LateTpm):
        def transmit(self, command: bytes) -> bytes:
            try:
                return super().transmit(command)
            except TpmLateError:
                self.value = sha256(self.value + bytes(32)).value
                raise

    with pytest.raises(HostError, match="another"):
        bind_init_data(Tpm(Meddled((EXTEND, "after"))), sha256(b"initdata"))
