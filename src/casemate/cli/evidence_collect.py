"""``casemate evidence detect``, ``collect``: which TEE this machine runs in, and evidence of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from casemate.cli import output

if TYPE_CHECKING:
    from casemate.tee.attesters import DeviceAttester

_FRESH: Final = 32
_PROVES_NOTHING: Final = frozenset({"sample", "sampledevice"})


@click.command("detect")
@output.json_option
def detect(*, as_json: bool) -> None:
    """Say which TEE this machine runs in, which devices attest beside it, and why no other does.

    The first primary TEE that is found is picked; every device that is found is.

    \b
    Example:
      casemate evidence detect
    """
    from casemate.tee.attesters import explain

    findings = explain()
    if as_json:
        output.print_json({"found": findings})
        return
    output.print_table(
        ("tee", "kind", "picked", "why"),
        [(f.tee, f.kind, "yes" if f.picked else "no", f.why) for f in findings],
    )
    if any(f.picked and f.tee == "sample" for f in findings):
        _warn("sample")


@click.command("collect")
@click.option(
    "--report-data",
    metavar="HEX",
    help="What to bind the evidence to; 32 random bytes unless given.",
)
@click.option(
    "--tee",
    metavar="TEE",
    help="A device of this machine, or the primary TEE that was found; that one unless given.",
)
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the evidence.",
)
@output.json_option
def collect(*, report_data: str | None, tee: str | None, out: Path, as_json: bool) -> None:
    """Make evidence of this machine, as a guest of ours would, and write it to a file.

    Where there is no TEE this is sample evidence, which proves nothing.

    \b
    Example:
      casemate evidence collect --report-data 00ff -o evidence.json
    """
    import secrets

    from casemate.cli import evidence_files

    data = evidence_files.from_hex(report_data, "--report-data")
    bound = secrets.token_bytes(_FRESH) if data is None else data
    attester = _attester(tee)
    evidence = attester.evidence(bound)
    evidence_files.write_all({out: evidence})
    proves = attester.tee not in _PROVES_NOTHING
    if not proves:
        _warn(attester.tee)
    words = ["casemate", "evidence", "verify", str(out), "--tee", attester.tee]
    words += ["--report-data", bound.hex()]
    if as_json:
        output.print_json(
            {
                "tee": attester.tee,
                "file": str(out),
                "report_data": bound.hex(),
                "proves": proves,
                "verify": words,
            }
        )
        return
    output.say(f"Evidence of {attester.tee}. To verify it:")
    click.echo(" ".join(words))


def _attester(wanted: str | None) -> "DeviceAttester":
    from casemate.errors import InputError
    from casemate.tee.attesters import detect as primary
    from casemate.tee.attesters import detect_devices

    found = primary()
    if wanted in {None, found.tee}:
        if found.tee == "se":
            raise InputError(
                "primary TEE",
                got="se, which answers a verifier's own request",
                want="another TEE",
                remedy="Attest to a Trustee: casemate kbs attest.",
            )
        return found
    devices = {device.tee: device for device in detect_devices(found.tee)}
    if wanted not in devices:
        raise InputError(
            "--tee",
            got=wanted,
            want=", ".join([found.tee, *devices]),
            remedy="casemate evidence detect says why it was not found.",
        )
    return devices[wanted]


def _warn(tee: str) -> None:
    output.say(click.style("=" * 72, fg="red"))
    output.say(
        click.style(f"NO PROOF: {tee} evidence says whatever it is told.", fg="red", bold=True)
    )
    output.say("Anybody can make it, anywhere. A Trustee refuses it unless it is told not to,")
    output.say("and no production policy is met by it. `casemate evidence detect` says why no")
    output.say("TEE was found here.")
    output.say(click.style("=" * 72, fg="red"))
