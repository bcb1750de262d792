"""Options that the verbs of ``casemate evidence`` share, and what they mean together."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

if TYPE_CHECKING:
    from casemate.tee.evidence import Expectation, Inputs

_F = TypeVar("_F", bound=Callable[..., Any])
_PLACE = click.Path(exists=True, path_type=Path)

file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
"""Decorator: adds ``file: Path``."""

_TEE = click.option("--tee", default="tpm", show_default=True, help="TEE type the evidence is of.")
_COLLATERAL = click.option(
    "--collateral",
    type=_PLACE,
    multiple=True,
    help="File or folder of what vendors publish: certificates, lists, TCB levels.",
)
_ROOTS = click.option(
    "--roots",
    type=_PLACE,
    multiple=True,
    help="File or folder of roots to trust beside the vendors' pinned ones.",
)
_TEXTS = click.option(
    "--option",
    "texts",
    multiple=True,
    metavar="TEE.NAME=VALUE",
    help="An option of one TEE; a name that is none lists them.",
)
_VERIFICATION = (
    _TEE,
    click.option(
        "--now", metavar="RFC3339", help="Time to look back to; the clock's unless given."
    ),
    click.option(
        "--report-data",
        metavar="HEX",
        help="What it must be bound to; without it, freshness is not looked at.",
    ),
    click.option(
        "--init-data", metavar="[SHA256:]HEX", help="Digest of the initdata it must bind."
    ),
    _COLLATERAL,
    _ROOTS,
    click.option(
        "--ca",
        "authorities",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        multiple=True,
        help="Platform authority that certifies vTPM attestation keys, PEM.",
    ),
    click.option("--allow-debug", is_flag=True, help="Accept a VM that its host can look into."),
    click.option(
        "--allow-migration", is_flag=True, help="Accept a VM that an agent of the host may move."
    ),
    _TEXTS,
)
_PLANNING = (_TEE, _COLLATERAL, _ROOTS, _TEXTS)
cache = click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="CASEMATE_COLLATERAL",
    show_envvar=True,
    help="Folder in which fetched collateral is kept; ~/.cache/casemate/collateral.",
)
"""Decorator: adds ``cache: Path | None``."""
offline = click.option(
    "--offline", is_flag=True, help="Fetch nothing: what the cache holds, however old."
)
"""Decorator: adds ``offline: bool``."""


def verification(command: _F) -> _F:
    """Decorate a command with everything that ``Asked`` reads."""
    for option in reversed(_VERIFICATION):
        command = option(command)
    return command


def planning(command: _F) -> _F:
    """Decorate a command with those of them that a plan of what to fetch depends on."""
    for option in reversed(_PLANNING):
        command = option(command)
    return command


_DEMANDS = (
    click.option(
        "--policy",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="With --from: attestation policy (Rego); a new Trustee's unless given.",
    ),
    click.option(
        "--reference-values",
        "values",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="With --from: what the policy compares with, a JSON object.",
    ),
    click.option(
        "--token-ca",
        "token_authorities",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        multiple=True,
        help="With --from: authority of an attestation service whose tokens count, PEM.",
    ),
    click.option("--fresh", is_flag=True, help="With --from: insist on evidence for our nonce."),
    click.option(
        "--accept-warning",
        is_flag=True,
        help="With --from: accept a verdict of warning, such as a virtual TPM's.",
    ),
)


def demands(command: _F) -> _F:
    """Decorate a command with what a client can demand of a service."""
    for option in reversed(_DEMANDS):
        command = option(command)
    return command


_NOTHING: Final[Mapping[str, Any]] = {
    "report_data": None,
    "init_data": None,
    "authorities": (),
    "now": None,
    "allow_debug": False,
    "allow_migration": False,
}
"""What ``planning`` does not ask for."""


class Asked(NamedTuple):
    """What to verify, against what."""

    tee: str
    expected: "Expectation"
    inputs: "Inputs"

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Asked":
        """Read the options of ``verification``, or of ``planning``.

        Raises:
            InputError: one cannot be meant, or names a file that cannot be read.
        """
        from casemate.cli import evidence_files as files
        from casemate.files import read
        from casemate.tee.anchors import Anchors
        from casemate.tee.evidence import Expectation, Inputs
        from casemate.tee.material import Material
        from casemate.tee.options import Options, parse

        given = {**_NOTHING, **given}
        expected = Expectation(
            report_data=files.from_hex(given["report_data"], "--report-data"),
            init_data=files.digest(given["init_data"]),
        )
        authorities = [read(path) for path in given["authorities"]]
        inputs = Inputs(
            now=files.moment(given["now"]),
            anchors=Anchors.of_folder(files.read_all(given["roots"]), ak_authorities=authorities),
            collateral=Material.of_files(files.read_all(given["collateral"])),
            options=Options(
                allow_debug=given["allow_debug"],
                allow_migration=given["allow_migration"],
                looking_back=given["now"] is not None,
                own=parse(given["texts"]),
            ),
        )
        return cls(given["tee"], expected, inputs)
