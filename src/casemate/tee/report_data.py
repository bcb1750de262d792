"""Report data as attesters put it into a field: padded with zeros, never cut (tee §1.2)."""

from casemate.crypto.digest import Digest
from casemate.errors import HostError, InputError


def padded(report_data: bytes, width: int) -> bytes:
    """Fill a field of ``width`` bytes.

    Raises:
        InputError: the data does not fit.
    """
    if len(report_data) > width:
        raise InputError(
            "report data",
            got=f"{len(report_data)} bytes",
            want=f"at most {width} bytes",
            spec="tee §1.2",
        )
    return report_data.ljust(width, b"\0")


def require_init_data(field: str, found: bytes, digest: Digest) -> None:
    """Compare what the host bound at launch with initdata's digest, cut or padded to the field.

    Raises:
        HostError: the host bound other initdata, or none.
    """
    wanted = digest.value[: len(found)].ljust(len(found), b"\0")
    if found != wanted:
        raise HostError(
            field,
            got=found.hex(),
            want=f"{wanted.hex()} for initdata {digest}",
            spec="tee §1.2",
            remedy="the host must be told the digest when it starts the VM",
        )


def no_init_data(tee: str, digest: Digest) -> HostError:
    """Make the error of a TEE that has no field for initdata."""
    return HostError(
        f"initdata of {tee}",
        got=f"digest {digest}",
        want="no initdata: this TEE has no field that binds it",
        spec="tee §1.2",
        remedy="leave initdata out, or use a TEE that binds it",
    )
