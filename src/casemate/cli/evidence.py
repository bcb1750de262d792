"""``casemate evidence``: look at evidence and event logs, and verify them, without a Trustee."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from casemate.cli import output

if TYPE_CHECKING:
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
@click.option("--now", metavar="RFC3339", help="Time to verify at; the clock's unless given.")
@click.option(
    "--report-data",
    metavar="HEX",
    help="What it must be bound to; without it, freshness is not looked at.",
)
@click.option("--init-data", metavar="[SHA256:]HEX", help="Digest of the initdata it must bind.")
@click.option(
    "--collateral",
    "collateral",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="File or folder of what vendors publish: certificates, lists, TCB levels.",
)
@click.option(
    "--roots",
    "roots",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="File or folder of roots to trust beside the vendors' pinned ones.",
)
@click.option(
    "--ca",
    "authorities",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="Platform authority that certifies vTPM attestation keys, PEM.",
)
@click.option("--allow-debug", is_flag=True, help="Accept a VM that its host can look into.")
@click.option(
    "--allow-migration", is_flag=True, help="Accept a VM that an agent of the host may move."
)
@click.option(
    "--option", "texts", multiple=True, metavar="TEE.NAME=VALUE", help="An option of one TEE."
)
@output.json_option
def verify(
    file: Path,
    *,
    tee: str,
    now: str | None,
    report_data: str | None,
    init_data: str | None,
    collateral: tuple[Path, ...],
    roots: tuple[Path, ...],
    authorities: tuple[Path, ...],
    allow_debug: bool,
    allow_migration: bool,
    texts: tuple[str, ...],
    as_json: bool,
) -> int:
    """Verify evidence in numbered steps; exit 1 and the step when it is refused.

    \b
    Example:
      casemate evidence verify evidence.json --ca platform-ca.pem --report-data 00ff
    """
    from casemate.cli import evidence_files, evidence_report
    from casemate.errors import VerificationError
    from casemate.tee import verifiers
    from casemate.tee.anchors import Anchors
    from casemate.tee.evidence import Expectation, Inputs
    from casemate.tee.material import Material
    from casemate.tee.options import Options, parse

    trail = verifiers.trail_of(tee)
    try:
        found = verifiers.verify(
            tee,
            _read(file),
            Expectation(
                report_data=evidence_files.from_hex(report_data, "--report-data"),
                init_data=evidence_files.digest(init_data),
            ),
            Inputs(
                now=evidence_files.moment(now),
                anchors=Anchors.of_folder(
                    evidence_files.read_all(roots),
                    ak_authorities=[path.read_bytes() for path in authorities],
                ),
                collateral=Material.of_files(evidence_files.read_all(collateral)),
                options=Options(
                    allow_debug=allow_debug, allow_migration=allow_migration, own=parse(texts)
                ),
            ),
            trail,
        )
    except VerificationError as error:
        evidence_report.refused(trail, error.refusal, as_json=as_json)
        return 1
    evidence_report.verified(trail, found, as_json=as_json)
    return 0


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


def _digest_of(entry: dict[str, Any]) -> str:
    digests = {d["alg"]: d["digest"] for d in entry["digests"]}
    return str(digests.get("SHA-256") or next(iter(digests.values()), ""))[:16]


def _text(details: dict[str, Any]) -> str:
    paths = "/".join(details.get("device_paths", ()))
    return str(details.get("string") or details.get("unicode_name") or paths)[:_LONGEST_TEXT]
