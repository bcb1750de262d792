"""``casemate evidence``: look at evidence and event logs, and verify them, without a Trustee."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from casemate.cli import output

if TYPE_CHECKING:
    from casemate.crypto.digest import Digest
    from casemate.tee.vtpm.report import TpmEvidence
    from casemate.wire.eventlog import EventLog

_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_LONGEST_TEXT: Final = 60  # characters of an event's text in a table


@click.group("evidence")
def command() -> None:
    """Look at evidence: show, verify, explain, event log.

    \b
    Example:
      casemate evidence show evidence.json
    """


@command.command("show")
@_file
@output.json_option
def show(file: Path, *, as_json: bool) -> None:
    """Show what evidence says. Nothing is verified.

    \b
    Example:
      casemate evidence show evidence.json
    """
    found = _describe(_read(file))
    if as_json:
        output.print_json(found)
        return
    registers = found.pop("pcrs", {})
    output.print_table(("member", "value"), list(found.items()))
    if registers:
        output.say()
        output.print_table(("register", "value"), list(registers.items()))


@command.command("verify")
@_file
@click.option("--tee", default="tpm", show_default=True, help="TEE type the evidence is of.")
@click.option(
    "--ca",
    "authorities",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="Platform authority that certifies attestation keys, PEM; may be repeated.",
)
@click.option(
    "--report-data", "nonce", required=True, metavar="HEX", help="What it must be bound to."
)
@click.option("--init-data", metavar="SHA256:HEX", help="Digest of the initdata it must bind.")
@output.json_option
def verify(
    file: Path,
    *,
    tee: str,
    authorities: tuple[Path, ...],
    nonce: str,
    init_data: str | None,
    as_json: bool,
) -> None:
    """Verify evidence; exit 1 and the numbered step when it is refused.

    \b
    Example:
      casemate evidence verify evidence.json --ca platform-ca.pem --report-data 00ff
    """
    from datetime import UTC, datetime

    from casemate.tee.evidence import Anchors, Expectation
    from casemate.tee.verifiers import verify as verify_evidence
    from casemate.tee.vtpm.provenance import evidence_field

    found = verify_evidence(
        tee,
        _read(file),
        Expectation(report_data=_hex(nonce), init_data=_digest(init_data)),
        anchors=Anchors(ak_authorities=tuple(path.read_bytes() for path in authorities)),
        now=datetime.now(UTC),
    )
    if as_json:
        sources = {name: evidence_field(name) for name in found.claims}
        output.print_json({"ok": True, "tee": found.tee, "claims": found.claims, "from": sources})
        return
    output.say(f"{found.tee} evidence is genuine, fresh and bound.")
    rows = [
        (name, str(value), evidence_field(name))
        for name, value in found.claims.items()
        if isinstance(value, str | bool)
    ]
    output.print_table(("claim", "value", "from"), rows)


@command.command("eventlog")
@_file
@output.json_option
def eventlog(file: Path, *, as_json: bool) -> None:
    """Show the entries of an event log: a log as firmware wrote it, or evidence with one inside.

    \b
    Example:
      casemate evidence eventlog binary_bios_measurements
    """
    from casemate.wire.eventlog_json import to_claims

    entries = to_claims(_log(_read(file)))
    if as_json:
        output.print_json({"uefi_event_logs": entries})
        return
    rows = [(e["index"], e["type_name"], _digest_of(e), _text(e["details"])) for e in entries]
    output.print_table(("register", "type", "digest", "event"), rows)


@command.command("replay")
@_file
@output.json_option
def replay(file: Path, *, as_json: bool) -> None:
    """Show the registers that an event log leads to, in its widest bank.

    \b
    Example:
      casemate evidence replay evidence.json
    """
    from casemate.wire.eventlog import ALGORITHM_NAMES
    from casemate.wire.eventlog import replay as replay_events
    from casemate.wire.tpm import ALG_SHA256

    log = _log(_read(file))
    banks = [algorithm for algorithm, _ in log.algorithms]
    bank = ALG_SHA256 if ALG_SHA256 in banks else banks[-1]
    registers = dict(sorted(replay_events(log.events, bank).items()))
    if as_json:
        named = {str(index): value.hex() for index, value in registers.items()}
        output.print_json({"algorithm": ALGORITHM_NAMES.get(bank, str(bank)), "registers": named})
        return
    output.print_table(("register", "value"), [(i, v.hex()) for i, v in registers.items()])


@command.command("explain")
@_file
@click.option(
    "--image",
    "folder",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Pod VM image that should have been booted.",
)
@click.option("--vcpus", default=2, show_default=True, help="The machine's CPUs.")
@click.option("--memory", default=1024, show_default=True, help="The machine's memory, in MiB.")
@output.json_option
def explain(file: Path, *, folder: Path, vcpus: int, memory: int, as_json: bool) -> int:
    """Say which measured event is not what the image predicts; exit 1 when one is not.

    \b
    Example:
      casemate evidence explain evidence.json --image ./image
    """
    from casemate.podvm import image
    from casemate.tee.vtpm.explanation import explain as explain_events
    from casemate.tee.vtpm.launch import Launch, MachineFacts

    made = image.load(folder)
    launch = Launch.of(
        made.firmware_code.read_bytes(), made.firmware_vars.read_bytes(), made.uki.read_bytes()
    )
    machine = MachineFacts(vcpus=vcpus, memory_mib=memory)
    differences = explain_events(launch.events(machine), _log(_read(file)))
    if as_json:
        output.print_json({"ok": not differences, "differences": [str(d) for d in differences]})
    elif differences:
        output.print_table(
            ("register", "predicted", "seen"),
            [(d.register, d.predicted or "nothing", d.seen or "nothing") for d in differences],
        )
    else:
        output.say("Every event is the one predicted.")
    return 1 if differences else 0


def _read(file: Path) -> bytes:
    from casemate.errors import InputError
    from casemate.tee.evidence import LARGEST_EVIDENCE

    if file.stat().st_size > LARGEST_EVIDENCE:
        raise InputError(str(file), got="a larger file", want=f"at most {LARGEST_EVIDENCE} bytes")
    return file.read_bytes()


def _log(raw: bytes) -> "EventLog":
    from casemate.errors import InputError, PeerError
    from casemate.wire.eventlog import EventLog

    try:
        return EventLog.parse(_tpm(raw).event_log if raw.lstrip()[:1] == b"{" else raw)
    except PeerError as error:
        raise InputError("event log", got=error.got, want=error.want, spec=error.spec) from error


def _tpm(raw: bytes) -> "TpmEvidence":
    import msgspec

    from casemate.errors import InputError
    from casemate.tee.vtpm.report import TpmEvidence

    try:
        return msgspec.json.decode(raw, type=TpmEvidence)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError("evidence", got=error, want="evidence of a TPM, JSON") from error


def _describe(raw: bytes) -> dict[str, Any]:
    """Give the parts of evidence, by its shape: a TPM's, else whatever JSON object it is."""
    import msgspec

    from casemate.errors import InputError

    try:
        members = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError("evidence", got=error, want="a JSON object") from error
    return _describe_tpm(_tpm(raw)) if "tpm_quote" in members else members


def _describe_tpm(evidence: "TpmEvidence") -> dict[str, Any]:
    from hashlib import sha256

    from casemate.errors import InputError, PeerError
    from casemate.wire.tpm import Quote

    try:
        quote = Quote.parse(evidence.tpm_quote.message)
    except PeerError as error:
        raise InputError("TPM quote", got=error.got, want=error.want, spec=error.spec) from error
    return {
        "tee": "tpm",
        "report data": quote.extra_data.hex(),
        "attestation key (SHA-256)": sha256(evidence.ak_public).hexdigest(),
        "certified": bool(evidence.ak_certificate),
        "event log": f"{len(evidence.event_log)} bytes",
        "resets": quote.reset_count,
        "firmware": f"{quote.firmware_version:#x}",
        "pcrs": {f"pcr{i:02}": value for i, value in enumerate(evidence.tpm_quote.pcrs)},
    }


def _hex(text: str) -> bytes:
    from casemate.errors import InputError

    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise InputError("--report-data", got=text, want="hex") from error


def _digest(text: str | None) -> "Digest | None":
    from casemate.crypto.digest import Digest

    return Digest.parse(text) if text else None


def _digest_of(entry: dict[str, Any]) -> str:
    digests = {d["alg"]: d["digest"] for d in entry["digests"]}
    return str(digests.get("SHA-256") or next(iter(digests.values()), ""))[:16]


def _text(details: dict[str, Any]) -> str:
    paths = "/".join(details.get("device_paths", ()))
    return str(details.get("string") or details.get("unicode_name") or paths)[:_LONGEST_TEXT]
