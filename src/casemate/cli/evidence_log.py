"""``casemate evidence eventlog``, ``registers``, ``explain``: what was measured."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from casemate.cli import evidence_options as options
from casemate.cli import output

if TYPE_CHECKING:
    from casemate.wire.eventlog import EventLog

_LONGEST_TEXT: Final = 60  # characters of an event's text in a table


@click.command("eventlog")
@options.file
@output.json_option
def eventlog(file: Path, *, as_json: bool) -> None:
    """Show the entries of an event log: a log as firmware wrote it, or evidence with one inside.

    Evidence of a TPM, of TDX and of CSV may have one. Nothing is verified.

    \b
    Example:
      casemate evidence eventlog binary_bios_measurements
    """
    from casemate.wire.eventlog_json import to_claims

    entries = to_claims(_log(_file(file)), strict=False)
    if as_json:
        output.print_json({"uefi_event_logs": entries})
        return
    rows = [(e["index"], e["type_name"], _digest_of(e), _text(e["details"])) for e in entries]
    output.print_table(("register", "type", "digest", "event"), rows)


@click.command("registers")
@options.file
@output.json_option
def registers(file: Path, *, as_json: bool) -> None:
    """Show the registers that an event log leads to: SHA-256, or the bank that every entry has.

    \b
    Example:
      casemate evidence registers evidence.json
    """
    from casemate.wire.eventlog import ALGORITHM_NAMES, replay

    log = _log(_file(file))
    bank = _bank(log)
    registers = dict(sorted(replay(log.events, bank).items()))
    if as_json:
        named = {str(index): value.hex() for index, value in registers.items()}
        output.print_json({"algorithm": ALGORITHM_NAMES.get(bank, str(bank)), "registers": named})
        return
    output.print_table(("register", "value"), [(i, v.hex()) for i, v in registers.items()])


@click.command("explain")
@options.file
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
    from casemate.files import read
    from casemate.podvm import image
    from casemate.tee.vtpm.explanation import explain as explain_events
    from casemate.tee.vtpm.launch import Launch, MachineFacts

    made = image.load(folder)
    launch = Launch.of(read(made.firmware_code), read(made.firmware_vars), made.uki.read_bytes())
    machine = MachineFacts(vcpus=vcpus, memory_mib=memory)
    differences = explain_events(launch.events(machine), _log(_file(file)))
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


def _file(place: Path) -> bytes:
    from casemate.cli.evidence_files import read_evidence

    return read_evidence(place)


def _log(raw: bytes) -> "EventLog":
    from casemate.cli import evidence_files
    from casemate.errors import InputError, PeerError
    from casemate.wire.eventlog import EventLog

    inside = evidence_files.event_log(raw) if raw.lstrip()[:1] == b"{" else raw
    try:
        return EventLog.parse(inside)
    except PeerError as error:
        raise InputError("event log", got=error.got, want=error.want, spec=error.spec) from error


def _bank(log: "EventLog") -> int:
    """Choose the bank to replay: SHA-256 where every entry has it, else the last one that does."""
    from casemate.wire.eventlog import EV_NO_ACTION
    from casemate.wire.tpm import ALG_SHA256

    extended = [event for event in log.events if event.kind != EV_NO_ACTION]
    banks = [
        algorithm
        for algorithm, _ in log.algorithms
        if all(event.digest(algorithm) is not None for event in extended)
    ]
    return ALG_SHA256 if ALG_SHA256 in banks or not banks else banks[-1]


def _digest_of(entry: dict[str, Any]) -> str:
    digests = {d["alg"]: d["digest"] for d in entry["digests"]}
    return str(digests.get("SHA-256") or next(iter(digests.values()), ""))[:16]


def _text(details: dict[str, Any]) -> str:
    paths = "/".join(details.get("device_paths", ()))
    return str(details.get("string") or details.get("unicode_name") or paths)[:_LONGEST_TEXT]
