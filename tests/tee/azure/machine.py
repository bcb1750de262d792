"""A TPM of an Azure VM, in swtpm: its attestation key, the two NV indices, and a paravisor."""

import hashlib

import msgspec

from casemate.crypto.jwk import RsaJwk
from casemate.crypto.keys import PublicKey
from casemate.tee.azure.attester import AK_HANDLE, REPORT_INDEX, USER_DATA_INDEX
from casemate.tee.azure.hcl import HARDWARE_SIZE, HclReport, Kind
from casemate.tee.azure.variable_data import AK_NAME
from casemate.tee.vtpm.tpm import Tpm
from casemate.wire import tpm_command as commands
from casemate.wire.tpm import RsaPublic

NV_SIZE = 2048
"""Bytes; libtpms makes no larger index, Azure's has 2600."""
ATTRIBUTES = commands.NV_OWNER_WRITE | commands.NV_OWNER_READ


def make_key(tpm: Tpm) -> RsaJwk:
    """Make the attestation key at Azure's handle; give it as the variable data names it."""
    made = tpm.run(commands.create_primary(commands.RH_ENDORSEMENT, RsaPublic()))
    tpm.run(commands.evict_control(made.handle, AK_HANDLE))
    tpm.run(commands.flush_context(made.handle))
    key = PublicKey.from_der(tpm.public(AK_HANDLE).spki()).jwk()
    assert isinstance(key, RsaJwk)
    return msgspec.structs.replace(key, kid=AK_NAME)


def variable_data(key: RsaJwk, user_data: bytes | None) -> bytes:
    """Write the JSON as a paravisor does, user data in capitals."""
    members = {"keys": [key], "vm-configuration": {"secure-boot": True, "tpm-enabled": True}}
    own = {} if user_data is None else {"user-data": user_data.hex().upper()}
    return msgspec.json.encode(members | own)


class FakeParavisor:
    """Does what a paravisor does while the guest waits: reads user data, writes a report."""

    def __init__(self, tpm: Tpm, key: RsaJwk, kind: Kind = Kind.SNP) -> None:
        self.tpm = tpm
        self.key = key
        self.kind = kind
        self.waits = 0
        self.deaf_for = 0
        """Waits during which the report stays as it is."""
        self.old = False
        """It puts no user data into its reports."""
        tpm.write_nv(REPORT_INDEX, self.report(bytes(64)), ATTRIBUTES, by=commands.RH_OWNER)

    def report(self, user_data: bytes) -> bytes:
        data = variable_data(self.key, None if self.old else user_data)
        report = HclReport(kind=self.kind, hardware_report=self.hardware(data), variable_data=data)
        return report.encode(NV_SIZE)

    def hardware(self, data: bytes) -> bytes:
        """Put the digest where the hardware has its report data; nothing is signed."""
        at = 0x50 if self.kind is Kind.SNP else 128
        return (bytes(at) + hashlib.sha256(data).digest()).ljust(HARDWARE_SIZE, b"\0")

    def wait(self) -> None:
        self.waits += 1
        if self.waits > self.deaf_for:
            user_data = self.tpm.read_nv(USER_DATA_INDEX, by=commands.RH_OWNER)
            self.tpm.fill_nv(REPORT_INDEX, self.report(user_data[:64]), by=commands.RH_OWNER)
