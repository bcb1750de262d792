"""``casemate evidence collateral``: what vendors publish, carried to where there is no network."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from casemate.cli import evidence_options as options
from casemate.cli import output

if TYPE_CHECKING:
    from casemate.tee.bundle import Document
    from casemate.tee.gathering.cache import Cache


@click.group("collateral")
def command() -> None:
    """What vendors publish about their hardware: export, import, list.

    Verifiers find it in a cache, a folder of files. Nothing in it is trusted for lying there.

    \b
    Example:
      casemate evidence collateral export intel.json --for quote.bin --tee tdx
    """


@command.command("export")
@click.argument("place", metavar="DIR|FILE", type=click.Path(path_type=Path))
@click.option(
    "--for",
    "evidence",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Evidence to gather for; without it, all that the cache holds.",
)
@options.planning
@options.cache
@options.offline
@output.json_option
def export(
    place: Path,
    *,
    evidence: Path | None,
    cache: Path | None,
    offline: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Write collateral to a folder or a file; exit 1 when some is missing.

    A name that has no ending, such as ./collateral, is a folder; intel.json is a file.

    What the verifier of --tee wants for this evidence is fetched and kept in the cache, unless a
    young copy is there. A folder serves as --collateral, and as another Trustee's cache; a file as
    --collateral, and for import.

    \b
    Example:
      casemate evidence collateral export intel.json --for quote.bin --tee tdx
    """
    from casemate.cli.evidence_fetching import cache_at

    if evidence is None:
        documents, notes = _all(cache_at(cache)), list[dict[str, Any]]()
    else:
        asked = options.Asked.of(given)
        documents, notes = _gathered(asked, evidence, cache_at(cache), offline=offline)
    missing = [note["name"] for note in notes if note["since"] is None]
    _write(place, documents)
    if as_json:
        output.print_json(
            {
                "written": str(place),
                "documents": [one.name for one in documents],
                "missing": missing,
                "collateral": notes,
            }
        )
    else:
        output.say(f"{len(documents)} documents in {place}; {len(missing)} are missing.")
    return 1 if missing else 0


@command.command("import")
@click.argument("place", metavar="DIR|FILE", type=click.Path(exists=True, path_type=Path))
@options.cache
@output.json_option
def import_(place: Path, *, cache: Path | None, as_json: bool) -> None:
    """Put collateral of an export into the cache; younger copies there stay.

    \b
    Example:
      casemate evidence collateral import intel.json
    """
    from casemate.cli.evidence_fetching import cache_at
    from casemate.tee.gathering.document import safe_name

    found = cache_at(cache)
    documents = _read(place)
    for one in documents:  # all are looked at before any is kept
        safe_name(one.name)
        _require_plausible(one.name, one.body)
    present = {listed.name: listed.since for listed in found.all()}
    now = datetime.now(UTC)
    kept = [one for one in documents if _is_younger(one, present, now)]
    for one in kept:
        found.keep(one.name, one.body, min(one.since, now))
    if as_json:
        names = [one.name for one in kept]
        output.print_json({"cache": str(found.folder), "read": len(documents), "kept": names})
    else:
        output.say(f"{len(kept)} of {len(documents)} documents are new in {found.folder}.")


@command.command("list")
@options.cache
@output.json_option
def listing(*, cache: Path | None, as_json: bool) -> None:
    """List the cache: each document, and when its vendor was asked for it.

    \b
    Example:
      casemate evidence collateral list
    """
    from casemate.cli.evidence_fetching import cache_at

    found = cache_at(cache)
    listed = found.all()
    if as_json:
        documents = [{"name": n, "size": size, "since": since} for n, size, since in listed]
        output.print_json({"cache": str(found.folder), "documents": documents})
        return
    rows = [(one.name, one.size, f"{one.since:%Y-%m-%d %H:%M}") for one in listed]
    output.print_table(("document", "bytes", "asked for (UTC)"), rows)


def _all(cache: "Cache") -> "list[Document]":
    from casemate.tee.bundle import Document

    return [Document(name=one.name, since=one.since, body=cache.read(one)) for one in cache.all()]


def _gathered(
    asked: options.Asked, evidence: Path, cache: "Cache", *, offline: bool
) -> "tuple[list[Document], list[dict[str, Any]]]":
    from casemate.cli import evidence_fetching
    from casemate.cli.evidence_files import read_evidence
    from casemate.errors import VerificationError
    from casemate.tee.bundle import Document
    from casemate.tee.gathering.document import CHAIN_SUFFIX

    gathered = evidence_fetching.gather(asked, read_evidence(evidence), cache, offline=offline)
    if gathered.refusal is not None:
        raise VerificationError(gathered.refusal)
    since = {note.name: note.since for note in gathered.notes if note.since}
    since |= {name + CHAIN_SUFFIX: time for name, time in since.items()}
    documents = [
        Document(name=name, since=since[name], body=body)
        for name, body in sorted(gathered.files.items())
    ]
    return documents, evidence_fetching.told(gathered)


def _write(place: Path, documents: "list[Document]") -> None:
    from casemate.cli.evidence_files import write_all
    from casemate.errors import InputError
    from casemate.tee.bundle import Bundle
    from casemate.tee.gathering.document import safe_name
    from casemate.tee.material import LARGEST_FILE

    if place.is_dir() or not place.suffix:
        files = {place / safe_name(one.name): one for one in documents}
        write_all({name: one.body for name, one in files.items()})
        for name, one in files.items():
            os.utime(name, (one.since.timestamp(), one.since.timestamp()))
        return
    raw = Bundle(documents=tuple(documents)).encode()
    if len(raw) > LARGEST_FILE:
        raise InputError(
            str(place),
            got=f"{len(raw)} bytes of collateral",
            want=f"at most {LARGEST_FILE} in one file",
            remedy="Export into a folder, or for one piece of evidence.",
        )
    write_all({place: raw})


def _read(place: Path) -> "tuple[Document, ...]":
    from casemate.cli.evidence_files import read_all
    from casemate.errors import InputError
    from casemate.tee.bundle import Bundle, is_bundle
    from casemate.tee.gathering.cache import Cache

    if place.is_dir():
        return tuple(_all(Cache(place)))
    (body,) = read_all([place]).values()
    if is_bundle(body):
        return Bundle.parse(body, str(place)).documents
    raise InputError(str(place), got="another file", want="a folder, or a file of export")


def _is_younger(one: "Document", present: Mapping[str, datetime], now: datetime) -> bool:
    from casemate.tee.gathering.document import safe_name

    before = present.get(safe_name(one.name))
    return before is None or before > now or min(one.since, now) > before


def _require_plausible(name: str, body: bytes) -> None:
    from casemate.errors import InputError, PeerError
    from casemate.tee.gathering.document import require_plausible

    try:
        require_plausible(name, body)
    except PeerError as error:
        raise InputError(error.where, got=error.got, want=error.want) from error
