"""What Intel publishes, found among files by what they hold. Nothing here is verified.

Known forms (tee §4.4):

    PCS answers           {"tcbInfo": {…}, "signature": hex}, {"enclaveIdentity": …}; PEM chains;
                          revocation lists as DER, PEM or hex (PCCS)
    one JSON per quote    tcb_info (text), tcb_info_signature, …, pck_crl (hex), root_ca_crl (hex)
    Intel's client tool   {"collaterals": {"tcbinfos": […], "qeidentity": …, "pckcacrl": …, …}}

A signed object is taken by its range of bytes. Only the client tool writes objects anew, with
blanks between tokens that were not signed; there the range without blanks is tried too. Either way
the bytes that were signed are the bytes that are read, whatever surrounds them.
"""

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from casemate.crypto.certificate import Certificate
from casemate.crypto.pem import only_blocks
from casemate.crypto.revocation import RevocationList
from casemate.errors import MALFORMED_JSON, PeerError
from casemate.tee.dcap.options import TcbUpdate
from casemate.tee.material import Material

_SIGNATURE_SIZE: Final = 64
_ENCODED_PEM: Final = b"-----BEGIN%20"
_DER_HEX: Final = b"30"
_LARGEST_HEX: Final = 2 << 20


class SignedDocument(msgspec.Struct, frozen=True):
    """A signed JSON object as found."""

    texts: tuple[bytes, ...]
    """What may have been signed: the range of bytes, and that without blanks if it differs."""
    signature: bytes
    """r‖s big-endian, 64 bytes."""
    update: TcbUpdate | None = None
    """Which evaluation it is, when its place says so."""
    chain: tuple[Certificate, ...] | None = None
    """Signer and root, where the form keeps them beside the document; None leaves finding the
    signer to whoever verifies."""


class Publications(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that may be of use, in no order."""

    tcb_infos: tuple[SignedDocument, ...] = ()
    qe_identities: tuple[SignedDocument, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    lists: tuple[RevocationList, ...] = ()


class _ClientToolEntry(msgspec.Struct, frozen=True):
    sgx_tcbinfo: msgspec.Raw = msgspec.Raw()
    sgx_tcbinfo_early: msgspec.Raw = msgspec.Raw()
    tdx_tcbinfo: msgspec.Raw = msgspec.Raw()
    tdx_tcbinfo_early: msgspec.Raw = msgspec.Raw()


class _ClientToolLists(msgspec.Struct, frozen=True, rename="camel"):
    processor_crl: str = ""
    platform_crl: str = ""


class _ClientTool(msgspec.Struct, frozen=True):
    tcbinfos: tuple[_ClientToolEntry, ...] = ()
    qeidentity: msgspec.Raw = msgspec.Raw()
    qeidentity_early: msgspec.Raw = msgspec.Raw()
    tdqeidentity: msgspec.Raw = msgspec.Raw()
    tdqeidentity_early: msgspec.Raw = msgspec.Raw()
    pckcacrl: _ClientToolLists = _ClientToolLists()
    certificates: dict[str, str | dict[str, str]] = {}
    rootcacrl: str = ""


class _File(msgspec.Struct, frozen=True):
    """Every form at once: a file has the members of one of them."""

    tcb_info_answer: msgspec.Raw = msgspec.field(name="tcbInfo", default=msgspec.Raw())
    qe_identity_answer: msgspec.Raw = msgspec.field(name="enclaveIdentity", default=msgspec.Raw())
    signature: str = ""
    tcb_info: str = ""
    tcb_info_signature: str = ""
    tcb_info_issuer_chain: str = ""
    qe_identity: str = ""
    qe_identity_signature: str = ""
    qe_identity_issuer_chain: str = ""
    pck_crl: str = ""
    pck_crl_issuer_chain: str = ""
    root_ca_crl: str = ""
    pck_certificate_chain: str | None = None
    collaterals: _ClientTool | None = None


_FILE: Final = msgspec.json.Decoder(_File)


def find(*materials: Material) -> Publications:
    """Sort out what may be of use; what is in no known form is passed over."""
    found = _Found()
    for material in materials:
        found.certificates += material.certificates
        found.lists += material.lists
        for name, body in material.files.items():
            found.read(name, body)
    return Publications(
        tcb_infos=tuple(found.tcb_infos),
        qe_identities=tuple(found.qe_identities),
        certificates=tuple(dict.fromkeys(found.certificates)),
        lists=tuple(dict.fromkeys(found.lists)),
    )


class _Found:
    """What was found so far."""

    def __init__(self) -> None:
        self.tcb_infos: list[SignedDocument] = []
        self.qe_identities: list[SignedDocument] = []
        self.certificates: list[Certificate] = []
        self.lists: list[RevocationList] = []
        self._known: dict[bytes, Certificate] = {}
        self._chains: dict[bytes, tuple[Certificate, ...]] = {}

    def read(self, name: str, body: bytes) -> None:
        """Read one file of any form."""
        head = body[:64].lstrip()
        if head.startswith(b"{"):
            self._read_json(name, body)
        elif head.startswith(_ENCODED_PEM):
            self._read_chain(body)
        elif head.startswith(_DER_HEX):
            self._read_list(body.decode("ascii", "replace"))

    def _read_json(self, name: str, body: bytes) -> None:
        try:
            file = _FILE.decode(body)
        except MALFORMED_JSON:
            return
        update = _update_in(name)
        self.tcb_infos += _signed(file.tcb_info_answer, file.signature, update)
        self.qe_identities += _signed(file.qe_identity_answer, file.signature, update)
        for found, text, signature, chain in (
            (self.tcb_infos, file.tcb_info, file.tcb_info_signature, file.tcb_info_issuer_chain),
            (
                self.qe_identities,
                file.qe_identity,
                file.qe_identity_signature,
                file.qe_identity_issuer_chain,
            ),
        ):
            own = self._read_chain(chain.encode())
            found.extend(_signed(text.encode(), signature, update, own))
        self._read_chain(file.pck_crl_issuer_chain.encode())
        self._read_list(file.pck_crl)
        self._read_list(file.root_ca_crl)
        if file.collaterals is not None:
            self._read_client_tool(file.collaterals)

    def _read_client_tool(self, tool: _ClientTool) -> None:
        for entry in tool.tcbinfos:
            for raw in (entry.sgx_tcbinfo, entry.tdx_tcbinfo):
                self._read_answer(raw, TcbUpdate.STANDARD)
            for raw in (entry.sgx_tcbinfo_early, entry.tdx_tcbinfo_early):
                self._read_answer(raw, TcbUpdate.EARLY)
        for raw in (tool.qeidentity, tool.tdqeidentity):
            self._read_answer(raw, TcbUpdate.STANDARD)
        for raw in (tool.qeidentity_early, tool.tdqeidentity_early):
            self._read_answer(raw, TcbUpdate.EARLY)
        for chain in _texts(tool.certificates):
            self._read_chain(chain.encode())
        for text in (tool.pckcacrl.processor_crl, tool.pckcacrl.platform_crl, tool.rootcacrl):
            self._read_list(text)

    def _read_answer(self, raw: msgspec.Raw, update: TcbUpdate) -> None:
        """Read a PCS answer inside another document: an object, or its text as a string."""
        body = bytes(raw)
        try:
            if body.startswith(b'"'):
                body = msgspec.json.decode(body, type=str).encode()
            answer = _FILE.decode(body) if body else _File()
        except MALFORMED_JSON:
            return
        rewritten = not bytes(raw).startswith(b'"')
        for found, text in (
            (self.tcb_infos, answer.tcb_info_answer),
            (self.qe_identities, answer.qe_identity_answer),
        ):
            found.extend(_signed(text, answer.signature, update, rewritten=rewritten))

    def _read_chain(self, text: bytes) -> tuple[Certificate, ...]:
        """Read PEM certificates, URL-encoded as in headers of PCS answers or not.

        Gives none of them when one is unreadable, or when there is anything else in the text. The
        same text, which most chains are, is read once.
        """
        if (known := self._chains.get(text)) is not None:
            return known
        pem = unquote_to_bytes(text) if _ENCODED_PEM in text else text
        try:
            chain = tuple(self._certificate(der) for der in only_blocks(pem, "CERTIFICATE"))
        except PeerError:
            chain = ()
        self._chains[text] = chain
        self.certificates += chain
        return chain

    def _certificate(self, der: bytes) -> Certificate:
        """Read a certificate, once: the same few stand in every chain."""
        if der not in self._known:
            self._known[der] = Certificate.parse(der)
        return self._known[der]

    def _read_list(self, text: str) -> None:
        """Read a revocation list in hex."""
        if not text or len(text) > _LARGEST_HEX:
            return
        try:
            self.lists.append(RevocationList.parse(bytes.fromhex(text.strip())))
        except (ValueError, PeerError):
            return


def _signed(
    text: bytes | msgspec.Raw,
    signature: str,
    update: TcbUpdate | None,
    chain: tuple[Certificate, ...] | None = None,
    *,
    rewritten: bool = False,
) -> Iterator[SignedDocument]:
    """Give the document, unless there is none or its signature cannot be one."""
    body = bytes(text)
    try:
        raw = bytes.fromhex(signature)
    except ValueError:
        return
    if body and len(raw) == _SIGNATURE_SIZE:
        yield SignedDocument(_without_blanks(body) if rewritten else (body,), raw, update, chain)


def _without_blanks(body: bytes) -> tuple[bytes, ...]:
    try:
        compact = msgspec.json.format(body, indent=-1)
    except MALFORMED_JSON:
        return (body,)
    return (body,) if compact == body else (body, compact)


def _texts(members: dict[str, str | dict[str, str]]) -> Iterable[str]:
    for value in members.values():
        yield from [value] if isinstance(value, str) else value.values()


def _update_in(name: str) -> TcbUpdate | None:
    """Tell from a file's name, as the cache and exports write it: ``…/early.json``."""
    stem = name.rpartition("/")[2].partition(".")[0].lower()
    return next((one for one in TcbUpdate if one.value in stem), None)
