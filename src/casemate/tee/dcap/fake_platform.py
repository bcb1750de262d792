"""A root, a PCK authority, a platform and a TCB signer that Intel never made, wrong where asked."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from casemate.crypto import der_encoding as der
from casemate.crypto import simulated
from casemate.crypto.der import Tag
from casemate.crypto.keys import Kind, PrivateKey
from casemate.crypto.simulated import Extension, Period
from casemate.errors import InputError
from casemate.tee.dcap import pck
from casemate.tee.dcap.collateral import SIGNER_NAME
from casemate.tee.dcap.pck import COMPONENTS, PckExtension, SgxType
from casemate.tee.simulation import Changes

FIELDS: Final = MappingProxyType(
    {
        "pck_ppid": "hex of 16 bytes",
        "pck_components": "hex of 16 bytes: security versions of the platform",
        "pck_pce_svn": "number",
        "pck_cpu_svn": "hex of 16 bytes",
        "pck_pce_id": "hex of 2 bytes",
        "pck_fmspc": "hex of 6 bytes",
        "pck_sgx_type": "0, 1 or 2",
        "pck_instance_id": "hex of 16 bytes; none to leave it out",
        "pck_dynamic": "true or false",
        "pck_cached": "true or false",
        "pck_smt": "true or false",
        "pck_without": "number of a member of the extension to leave out; 0: the extension itself",
        "pck_ca": "platform or processor",
        "pck_subject": "text; common name of the PCK certificate",
        "pck_key": "P-256 or P-384",
        "pck_usage": "false: its key must not sign",
        "ca_subject": "text; common name of the PCK authority",
        "signer_subject": "text; common name of the TCB signer",
        "expired": "pck, ca, root or signer: ended before the time of the simulation",
        "not_yet": "pck, ca, root or signer: begins after it",
        "self_made": "pck, ca, root or signer: the same names, another key signs",
        "no_authority": "ca or root: lacks the right to sign certificates",
        "is_authority": "pck or signer: may sign certificates",
        "critical": "pck, ca, root or signer: an extension that nobody knows, critical",
        "signer_issuer": "root (the default) or ca",
        "revoked": "pck, ca or signer: on its issuer's list",
        "list_signer": "pck or root: that list is signed by another key",
        "list_number": "number of both lists",
        "list_issued": "days from the time of the simulation; both lists",
        "list_next": "days from the time of the simulation; both lists",
        "list_swapped": "true: the root's list in the place of the PCK authority's",
    }
)
COMPONENT_VALUES: Final = bytes((5, 5, 2, 2, 4, 1, 0, 5)).ljust(COMPONENTS, b"\0")
"""Security versions of the platform that is simulated unless others are asked for."""
PCE_SVN: Final = 13
FMSPC: Final = bytes.fromhex("00906ed50000")
_PEM: Final = "CERTIFICATE"
_YEAR: Final = timedelta(days=365)
_DAY: Final = timedelta(days=1)
_BASIC_CONSTRAINTS: Final = "2.5.29.19"
_KEY_USAGE: Final = "2.5.29.15"
_NOT_AUTHORITY: Final = Extension(_BASIC_CONSTRAINTS, der.sequence(), critical=True)
_SIGNS: Final = Extension(_KEY_USAGE, der.bits(b"\x80", unused=7), critical=True)
_AGREES: Final = Extension(_KEY_USAGE, der.bits(b"\x08", unused=3), critical=True)
_UNKNOWN: Final = Extension("1.2.840.113741.1.13.99", der.integer(1), critical=True)
_KEYS: Final[Mapping[str, Kind]] = MappingProxyType({"P-256": Kind.P256, "P-384": Kind.P384})
_SERIALS: Final = MappingProxyType({"root": 1, "ca": 2, "pck": 3, "signer": 4})
_T = TypeVar("_T")


class FakePlatform(msgspec.Struct, frozen=True, kw_only=True):
    """All certificates and lists, DER, and the keys that sign quotes and documents."""

    extension: PckExtension
    pck_key: PrivateKey
    signer_key: PrivateKey
    root: bytes
    authority: bytes
    pck: bytes
    signer: bytes
    pck_list: bytes
    root_list: bytes


def mint(changes: Changes, now: datetime) -> FakePlatform:
    """Make them, with what ``changes`` asks for.

    Raises:
        InputError: a value cannot be meant.
    """
    return _Mint(changes, now.replace(microsecond=0)).platform()


def days(changes: Changes, field: str, default: int, now: datetime) -> datetime:
    """Give a time that is written as days from ``now``."""
    return now + changes.number(field, default) * _DAY


def choice(changes: Changes, field: str, choices: Mapping[str, _T], default: str) -> _T:
    """Give what a word stands for; InputError for a word that stands for nothing."""
    text = changes.text(field, default)
    if text not in choices:
        raise InputError(field, got=text, want=", ".join(choices))
    return choices[text]


class _Mint:
    def __init__(self, changes: Changes, now: datetime) -> None:
        self._changes = changes
        self._now = now
        kinds = {"platform": "Platform", "processor": "Processor"}
        kind = choice(changes, "pck_ca", kinds, "platform")
        self._names = {
            "root": pck.ROOT_NAME,
            "ca": changes.text("ca_subject", f"Intel SGX PCK {kind} CA"),
            "pck": changes.text("pck_subject", pck.LEAF_NAME),
            "signer": changes.text("signer_subject", SIGNER_NAME),
        }
        self._issuers = {
            "root": "root",
            "ca": "root",
            "pck": "ca",
            "signer": changes.text("signer_issuer", "root"),
        }
        self._keys = {who: PrivateKey.generate(Kind.P256) for who in self._names}
        self._keys["pck"] = PrivateKey.generate(choice(changes, "pck_key", _KEYS, "P-256"))

    def platform(self) -> FakePlatform:
        extension = self._extension()
        usage = _SIGNS if self._changes.flag("pck_usage", default=True) else _AGREES
        own = () if self._left_out == 0 else (self._written(extension),)
        lists = [
            self._list("ca", ("pck",), "pck"),
            self._list("root", ("ca", "signer"), "root"),
        ]
        if self._changes.flag("list_swapped"):
            lists[0] = lists[1]
        return FakePlatform(
            extension=extension,
            pck_key=self._keys["pck"],
            signer_key=self._keys["signer"],
            root=self._certificate("root", self._rights("root", 1)),
            authority=self._certificate("ca", self._rights("ca", 0)),
            pck=self._certificate("pck", (*self._leaf("pck", usage), *own)),
            signer=self._certificate("signer", self._leaf("signer", _SIGNS)),
            pck_list=lists[0],
            root_list=lists[1],
        )

    @property
    def _left_out(self) -> int:
        return self._changes.number("pck_without", -1)

    def _certificate(self, who: str, extensions: tuple[Extension, ...]) -> bytes:
        issuer = self._issuers[who]
        if issuer not in self._keys:
            raise InputError("signer_issuer", got=issuer, want="root or ca")
        wrong = self._changes.text("self_made", "") == who
        if self._changes.text("critical", "") == who:
            extensions = (*extensions, _UNKNOWN)
        return simulated.certificate(
            subject=simulated.name(self._names[who], "Intel Corporation"),
            spki=self._keys[who].public.der(),
            issuer=simulated.name(self._names[issuer], "Intel Corporation"),
            signer=PrivateKey.generate(Kind.P256) if wrong else self._keys[issuer],
            period=self._period(who),
            serial=_SERIALS[who],
            extensions=extensions,
        )

    def _period(self, who: str) -> Period:
        begin, end = self._now - _YEAR, self._now + 7 * _YEAR
        if self._changes.text("expired", "") == who:
            end = self._now - _DAY
        if self._changes.text("not_yet", "") == who:
            begin = self._now + _DAY
        return Period(begin, end)

    def _rights(self, who: str, path_length: int) -> tuple[Extension, ...]:
        if self._changes.text("no_authority", "") == who:
            return (_NOT_AUTHORITY,)
        return simulated.authority(path_length)

    def _leaf(self, who: str, usage: Extension) -> tuple[Extension, ...]:
        if self._changes.text("is_authority", "") == who:
            return simulated.authority(0)
        return (_NOT_AUTHORITY, usage)

    def _list(self, issuer: str, below: tuple[str, ...], name: str) -> bytes:
        changes = self._changes
        wrong = changes.text("list_signer", "") == name
        revoked = [_SERIALS[who] for who in below if changes.text("revoked", "") == who]
        return simulated.revocation_list(
            issuer=simulated.name(self._names[issuer], "Intel Corporation"),
            signer=PrivateKey.generate(Kind.P256) if wrong else self._keys[issuer],
            period=Period(
                days(changes, "list_issued", -1, self._now),
                days(changes, "list_next", 30, self._now),
            ),
            revoked=revoked,
            number=changes.number("list_number", 1),
        )

    def _extension(self) -> PckExtension:
        changes = self._changes
        platform = changes.text("pck_ca", "platform") == "platform"
        kind = changes.number("pck_sgx_type", 1 if platform else 0)
        if kind not in set(SgxType):
            raise InputError("pck_sgx_type", got=kind, want="0, 1 or 2")
        instance = None
        if platform and changes.text("pck_instance_id", "") != "none":
            instance = changes.data("pck_instance_id", bytes(range(0xA0, 0xB0)))
        components = changes.data("pck_components", COMPONENT_VALUES)
        return PckExtension(
            ppid=changes.data("pck_ppid", bytes(range(16))),
            components=components,
            pce_svn=changes.number("pck_pce_svn", PCE_SVN),
            cpu_svn=changes.data("pck_cpu_svn", components),
            pce_id=changes.data("pck_pce_id", bytes(2)),
            fmspc=changes.data("pck_fmspc", FMSPC),
            sgx_type=SgxType(kind),
            platform_instance_id=instance,
            dynamic_platform=changes.flag("pck_dynamic", default=True) if platform else None,
            cached_keys=changes.flag("pck_cached") if platform else None,
            smt_enabled=changes.flag("pck_smt", default=True) if platform else None,
        )

    def _written(self, extension: PckExtension) -> Extension:
        """Write the extension in Intel's form, less the member that is to be left out."""
        versions = [
            *(_member(f"2.{n}", der.integer(svn)) for n, svn in enumerate(extension.components, 1)),
            _member("2.17", der.integer(extension.pce_svn)),
            _member("2.18", der.octets(extension.cpu_svn)),
        ]
        kind = der.element(Tag.ENUMERATED, bytes((extension.sgx_type,)))
        members = {
            1: der.octets(extension.ppid),
            2: der.sequence(*versions),
            3: der.octets(extension.pce_id),
            4: der.octets(extension.fmspc),
            5: kind,
        }
        if extension.platform_instance_id is not None:
            members[6] = der.octets(extension.platform_instance_id)
        if extension.dynamic_platform is not None:
            flags = (extension.dynamic_platform, extension.cached_keys, extension.smt_enabled)
            members[7] = der.sequence(
                *(_member(f"7.{n}", der.boolean(value=bool(one))) for n, one in enumerate(flags, 1))
            )
        members.pop(self._left_out, None)
        value = der.sequence(*(_member(str(n), one) for n, one in members.items()))
        return Extension(pck.EXTENSION, value)


def _member(arcs: str, value: bytes) -> bytes:
    return der.sequence(der.oid(f"{pck.EXTENSION}.{arcs}"), value)
