"""``casemate evidence verify``: a verifier's numbered steps over a file, or a service."""

from pathlib import Path
from typing import Any

import click

from casemate.cli import evidence_options as options
from casemate.cli import output


@click.command("verify")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False
)
@options.verification
@click.option(
    "--from",
    "service",
    metavar="URL",
    help="Verify the service at https://... instead of a file: may it be sent data?",
)
@options.demands
@click.option(
    "--fetch",
    is_flag=True,
    help="Fetch of the vendor what is missing; copies are kept in the cache.",
)
@options.cache
@options.offline
@click.option(
    "--cca-config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="How CCA is verified, as the Trustee's cca.config; a Veraison service needs --fetch.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Also write a report for people to this file.",
)
@output.json_option
def command(
    file: Path | None,
    *,
    service: str | None,
    html: Path | None,
    fetch: bool,
    cache: Path | None,
    offline: bool,
    cca_config: Path | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Verify evidence in numbered steps; exit 1 and the step when it is refused.

    FILE is evidence as the wire has it (JSON), or a report or quote in its binary form. What
    vendors publish comes with --collateral. Nothing is fetched unless --fetch is given; --offline
    takes what the cache holds instead. A Veraison service, which --cca-config may name for Arm CCA,
    is asked with --fetch alone.

    With --from, the service's TLS key is verified: evidence or a token must be bound to it, and a
    policy must find it good. Nothing but a nonce is sent.

    \b
    Example:
      casemate evidence verify evidence.json --ca platform-ca.pem --report-data 00ff
    """
    if (file is None) == (service is None):
        raise click.UsageError("Give either FILE or --from URL.")
    asked = options.Asked.of(given)
    if service is not None:
        if fetch or offline or cca_config:
            raise click.UsageError("--fetch, --offline and --cca-config go with a FILE.")
        from casemate.cli import evidence_service

        return evidence_service.verify(service, asked, given, as_json=as_json)
    assert file is not None, "one of the two was given"
    from casemate.cli import evidence_files

    raw = evidence_files.read_evidence(file)
    if cca_config is not None:
        from casemate.tee.gathering import cca_site

        asked = asked._replace(inputs=cca_site.read(cca_config).added_to(asked.inputs))
    gathered: list[dict[str, Any]] | None = None
    if fetch or offline:
        asked, gathered = _gather(raw, asked, cache, offline=offline)
    return _verify(raw, asked, gathered, html=html, as_json=as_json)


def _gather(
    raw: bytes, asked: options.Asked, cache: Path | None, *, offline: bool
) -> tuple[options.Asked, list[dict[str, Any]]]:
    import msgspec

    from casemate.cli import evidence_fetching

    found = evidence_fetching.gather(asked, raw, evidence_fetching.cache_at(cache), offline=offline)
    inputs = msgspec.structs.replace(asked.inputs, collateral=found.material, answer=found.answer)
    return asked._replace(inputs=inputs), evidence_fetching.told(found)


def _verify(
    raw: bytes,
    asked: options.Asked,
    gathered: list[dict[str, Any]] | None,
    *,
    html: Path | None,
    as_json: bool,
) -> int:
    from casemate.cli import evidence_report
    from casemate.cli.evidence_html import page
    from casemate.errors import VerificationError
    from casemate.tee import verifiers

    trail = verifiers.trail_of(asked.tee)
    try:
        found = verifiers.verify(asked.tee, raw, asked.expected, asked.inputs, trail)
    except VerificationError as error:
        evidence_report.refused(trail, error.refusal, gathered, as_json=as_json)
        if html:
            output.write_file(html, page(trail, asked, raw, refusal=error.refusal))
        return 1
    evidence_report.verified(trail, found, gathered, as_json=as_json)
    if html:
        output.write_file(html, page(trail, asked, raw, found=found))
    return 0
