"""``casemate kbs``: an owner's and a client's verbs of a key broker."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from casemate.cli.output import json_option, print_json, say, write_file

if TYPE_CHECKING:
    from casemate.net.kbs_admin import KbsAdmin

_T = TypeVar("_T")
_LARGEST_SECRET = 64 << 20
"""Bytes: what a broker can send encrypted (JWE); how much it takes is its own setting."""
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class _Reach:
    """How to reach the broker, from the group's options."""

    url: str
    ca: Path | None
    admin_key: Path | None

    def anchors(self) -> str | None:
        from casemate.files import read_text

        return None if self.ca is None else read_text(self.ca)

    def run(self, work: "Callable[[KbsAdmin], Coroutine[Any, Any, _T]]") -> _T:
        """Do something as the owner."""
        from casemate.crypto.keys import PrivateKey
        from casemate.files import read
        from casemate.net.http import HttpClient
        from casemate.net.kbs_admin import KbsAdmin

        key = None if self.admin_key is None else PrivateKey.from_pem(read(self.admin_key))

        async def whole() -> _T:
            async with HttpClient(anchors_pem=self.anchors(), timeout=30) as http:
                return await work(KbsAdmin(http, self.url, key))

        return asyncio.run(whole())


@click.group()
@click.option(
    "--url",
    default="https://127.0.0.1:8080",
    envvar="CASEMATE_KBS_URL",
    show_default=True,
    show_envvar=True,
    help="The broker.",
)
@click.option("--ca", type=_FILE, envvar="CASEMATE_KBS_CA", help="PEM authority it must prove.")
@click.option(
    "--admin-key",
    type=_FILE,
    envvar="CASEMATE_KBS_ADMIN_KEY",
    help="PEM private key that signs admin tokens.",
)
@click.pass_context
def command(context: click.Context, url: str, ca: Path | None, admin_key: Path | None) -> None:
    """Speak to a key broker: set and get secrets, policies, reference values; attest.

    \b
    Example:
      casemate kbs --ca ca.pem --admin-key admin.key set default/key/1 ./secret
    """
    context.obj = _Reach(url, ca, admin_key)


@command.command("set")
@click.argument("path")
@click.argument("file", type=click.File("rb"))
@json_option
@click.pass_obj
def set_resource(reach: _Reach, path: str, file: Any, as_json: bool) -> None:
    """Store FILE ("-" reads standard input) as resource PATH (repo/type/tag).

    \b
    Example:
      casemate kbs --ca ca.pem --admin-key admin.key set default/key/1 ./secret
    """
    from casemate.files import read
    from casemate.secret import Secret

    with Secret(read(file, largest=_LARGEST_SECRET)) as secret:
        size = len(secret)
        reach.run(lambda broker: broker.set_resource(path, secret))
    _done(f"{path}: {size} bytes stored", {"path": path, "bytes": size}, as_json)


@command.command("delete")
@click.argument("path")
@json_option
@click.pass_obj
def delete_resource(reach: _Reach, path: str, as_json: bool) -> None:
    """Remove resource PATH.

    \b
    Example:
      casemate kbs --ca ca.pem --admin-key admin.key delete default/key/1
    """
    reach.run(lambda broker: broker.delete_resource(path))
    _done(f"{path}: removed", {"path": path, "removed": True}, as_json)


@command.command("list")
@json_option
@click.pass_obj
def list_resources(reach: _Reach, as_json: bool) -> None:
    """List the paths of all resources; values stay where they are.

    \b
    Example:
      casemate kbs --ca ca.pem --admin-key admin.key list
    """
    paths = reach.run(lambda broker: broker.resources())
    if as_json:
        print_json(paths)
    else:
        for path in paths:
            print(path)


@command.command()
@click.option("--initdata", type=_FILE, help="Initdata (TOML) to bind.")
@json_option
@click.pass_obj
def attest(reach: _Reach, initdata: Path | None, as_json: bool) -> None:
    """Attest this machine to the broker; print the token.

    A machine without a TEE gives `sample` evidence, which brokers refuse unless told otherwise.

    \b
    Example:
      casemate kbs --ca ca.pem attest
    """
    token, _ = asyncio.run(_attest(reach, _text(initdata), None))
    if as_json:
        print_json({"token": token})
    else:
        print(token)


@command.command("get")
@click.argument("path")
@click.option("--initdata", type=_FILE, help="Initdata (TOML) to bind.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default="-",
    help="Where the secret goes; a new file is for its owner alone.",
    show_default=True,
)
@json_option
@click.pass_obj
def get_resource(
    reach: _Reach, path: str, initdata: Path | None, output: Path, as_json: bool
) -> None:
    """Attest, then get resource PATH.

    \b
    Example:
      casemate kbs --ca ca.pem get default/key/1 --output ./secret
    """
    _, secret = asyncio.run(_attest(reach, _text(initdata), path))
    with secret:
        if as_json:
            print_json({"path": path, "value": secret.reveal()})
        else:
            _give(secret.reveal(), output)


@command.group()
def policy() -> None:
    """Policies in Rego: who may have what, and what evidence is worth.

    \b
    Example:
      casemate kbs --ca ca.pem --admin-key admin.key policy set resource ./policy.rego
    """


_KIND = click.Choice(["resource", "attestation"])
_ID = click.option("--id", "name", default="default_cpu", show_default=True, help="Which one.")


@policy.command("set")
@click.argument("kind", type=_KIND)
@click.argument("file", type=click.File("rb"))
@_ID
@json_option
@click.pass_obj
def set_policy(reach: _Reach, kind: str, file: Any, name: str, as_json: bool) -> None:
    """Put the policy in FILE in force; it is compiled first.

    \b
    Example:
      casemate kbs --ca ca.pem --admin-key admin.key policy set resource ./policy.rego
    """
    from casemate.files import read_text

    text = read_text(file)
    if kind == "resource":
        reach.run(lambda broker: broker.set_resource_policy(text))
    else:
        reach.run(lambda broker: broker.set_attestation_policy(text, policy_id=name))
    _done(f"{kind} policy in force", {"kind": kind, "in_force": True}, as_json)


@policy.command("get")
@click.argument("kind", type=_KIND)
@_ID
@json_option
@click.pass_obj
def get_policy(reach: _Reach, kind: str, name: str, as_json: bool) -> None:
    """Print the policy in force.

    \b
    Example:
      casemate kbs --ca ca.pem --admin-key admin.key policy get resource
    """
    text = reach.run(
        lambda broker: (
            broker.resource_policy() if kind == "resource" else broker.attestation_policy(name)
        )
    )
    if as_json:
        print_json({"kind": kind, "policy": text})
    else:
        click.echo(text, nl=not text.endswith("\n"))


@command.group()
def reference() -> None:
    """Reference values: what evidence is compared with.

    \b
    Example:
      casemate kbs --ca ca.pem --admin-key admin.key reference set ./reference-values.json
    """


@reference.command("set")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--signer", type=click.File("rb"), help="Public key (PEM) that must have signed FILE."
)
@json_option
@click.pass_obj
def set_reference(reach: _Reach, file: Any, signer: Any, as_json: bool) -> None:
    """Register the values in FILE: a JSON object of name to value.

    With --signer, only if FILE.sig beside it is that key's signature.

    \b
    Example:
      casemate kbs --ca ca.pem --admin-key admin.key reference set ./reference-values.json
    """
    from casemate.files import read

    content = read(file)
    if signer is not None:
        _require_signed(content, Path(file.name), read(signer))
    values = _object(content, file.name)
    reach.run(lambda broker: broker.register(values))
    _done(f"{len(values)} reference values registered", {"names": sorted(values)}, as_json)


@reference.command("get")
@click.argument("name")
@json_option
@click.pass_obj
def get_reference(reach: _Reach, name: str, as_json: bool) -> None:
    """Print reference value NAME, as JSON.

    \b
    Example:
      casemate kbs --ca ca.pem --admin-key admin.key reference get tpm_pcr11
    """
    del as_json  # a value is JSON either way
    print_json(reach.run(lambda broker: broker.reference_value(name)))


@reference.command("list")
@json_option
@click.pass_obj
def list_reference(reach: _Reach, as_json: bool) -> None:
    """Print all reference values.

    \b
    Example:
      casemate kbs --ca ca.pem --admin-key admin.key reference list
    """
    values = reach.run(lambda broker: broker.reference_values())
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        print(f"{name}\t{_one_line(value)}")


@reference.command("delete")
@click.argument("name")
@json_option
@click.pass_obj
def delete_reference(reach: _Reach, name: str, as_json: bool) -> None:
    """Remove reference value NAME.

    \b
    Example:
      casemate kbs --ca ca.pem --admin-key admin.key reference delete tpm_pcr11
    """
    reach.run(lambda broker: broker.delete_reference_value(name))
    _done(f"{name}: removed", {"name": name, "removed": True}, as_json)


@command.command()
@click.argument("token", type=click.File("rb"))
@json_option
def explain(token: Any, as_json: bool) -> None:
    """Show what an attestation token (file, or "-") says, and why it is not better.

    The signature is left to the broker: this reads, it does not trust.

    \b
    Example:
      casemate kbs --ca ca.pem attest | casemate kbs explain -
    """
    from casemate.files import read_text
    from casemate.wire.token import explain as explained

    verdicts = explained(read_text(token).strip())
    if as_json:
        print_json(verdicts)
        return
    for verdict in verdicts:
        vector = ", ".join(f"{name} {value}" for name, value in verdict.vector.items() if value)
        print(f"{verdict.name}: {verdict.status} ({vector})")
        for reason in verdict.reasons:
            print(f"  {reason.claim}: got {reason.got}, want {reason.expected} ({reason.rule})")
            print(f"    {reason.remedy}")


def _give(secret: bytes, output: Path) -> None:
    if output == Path("-"):
        sys.stdout.buffer.write(secret)
    else:
        write_file(output, secret, mode=0o600)


def _require_signed(content: bytes, file: Path, signer: bytes) -> None:
    from casemate.crypto.keys import PublicKey
    from casemate.files import read
    from casemate.podvm import signature

    beside = file.with_name(file.name + signature.SUFFIX)
    signature.require(content, read(beside), PublicKey.from_pem(signer))


def _text(initdata: Path | None) -> str | None:
    from casemate.files import read_text

    return None if initdata is None else read_text(initdata)


async def _attest(reach: _Reach, initdata: str | None, path: str | None) -> tuple[str, Any]:
    """Attest with this machine's attester; get a resource too if one is named."""
    from casemate.crypto import jwe
    from casemate.guest.attestation import rcar
    from casemate.guest.attestation.handshake import Handshake
    from casemate.guest.broker import Broker
    from casemate.guest.reporting import Stations
    from casemate.secret import Secret
    from casemate.tee.attesters import detect, detect_devices
    from casemate.trace import Station
    from casemate.wire.kbs import PREFIX

    broker = Broker(reach.url, reach.anchors(), pinned_in="--ca")
    stations = Stations(lambda _event: None)
    attester = detect()
    devices = detect_devices(attester.tee)
    handshake = Handshake(broker, attester, stations, devices=devices, initdata=initdata)
    passport = await handshake.attest()
    if path is None:
        return passport.token, Secret(b"")
    bearer = ("authorization", f"Bearer {passport.token}")
    answer = await broker.request(
        "GET", f"{PREFIX}/resource/{path}", station=Station.RELEASE, tries=1, headers=(bearer,)
    )
    if answer.status != 200:
        raise rcar.failure(answer.status, answer.body, station=Station.RELEASE, claim=path)
    return passport.token, jwe.decrypt(answer.body, passport.key)


def _object(text: bytes, where: str) -> dict[str, Any]:
    import msgspec

    from casemate.errors import MALFORMED_JSON, InputError

    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except MALFORMED_JSON as error:
        raise InputError(where, got=error, want="a JSON object of name to value") from error


def _one_line(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


def _done(words: str, document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        say(words)
