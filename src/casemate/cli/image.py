"""``casemate image``: the owner's images."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from casemate.cli.output import json_option, print_json, print_table, say, steps, write_file

if TYPE_CHECKING:
    from casemate.net.http import HttpClient
    from casemate.oci.layout import Layout
    from casemate.oci.reference import Reference
    from casemate.oci.registry import Registry

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_PLACE = click.Path(path_type=Path)


class Reach:
    """How to reach a registry, from the options every command shares."""

    def __init__(self, ca: Path | None, authfile: Path | None, plain_http: bool) -> None:
        self._ca = ca
        self._authfile = authfile
        self._plain_http = plain_http

    @asynccontextmanager
    async def http(self) -> AsyncIterator["HttpClient"]:
        from casemate.files import read_text
        from casemate.net.http import HttpClient

        anchors = read_text(self._ca) if self._ca else None
        async with HttpClient(anchors_pem=anchors, timeout=60) as http:
            yield http

    @asynccontextmanager
    async def registry(self, reference: "Reference") -> AsyncIterator["Registry"]:
        from casemate.files import read
        from casemate.oci import credentials
        from casemate.oci.registry import Registry

        logins = credentials.parse(read(self._authfile)) if self._authfile else None
        async with self.http() as http:
            yield Registry(http, reference, credentials=logins, plain_http=self._plain_http)


def _reaching(
    function: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., None]:
    """Add the options of a registry, and run the command's coroutine."""

    @click.option("--ca", type=_FILE, help="PEM certificates to trust for the registry.")
    @click.option(
        "--authfile", type=_FILE, help="Registry passwords, in Docker's config.json form."
    )
    @click.option("--plain-http", is_flag=True, help="Speak HTTP without TLS.")
    @wraps(function)
    def run(*, ca: Path | None, authfile: Path | None, plain_http: bool, **kwargs: Any) -> None:
        import asyncio

        asyncio.run(function(Reach(ca, authfile, plain_http), **kwargs))

    return run


@click.group()
def command() -> None:
    """The owner's images: encrypt, sign, push, inspect.

    \b
    Example:
      casemate image build plain
      casemate image encrypt plain sealed --key-id kbs:///default/image-key/demo --key-file kek
      casemate image push sealed localhost:5443/demo/app:1 --ca ca.pem
      casemate image sign localhost:5443/demo/app:1 --key cosign.key --ca ca.pem
    """


@command.command()
@click.argument("layout", type=_PLACE)
@click.option("--name", default="demo", show_default=True, help="Name inside the layout.")
@json_option
def build(layout: Path, name: str, as_json: bool) -> None:
    """Make the demo application image, as an OCI layout folder, with no download.

    \b
    Example:
      casemate image build plain
    """
    from casemate.oci.layout import Layout
    from casemate.workload import application

    with Layout.creating(layout) as into:
        made = application.build(into, name=name)
    if as_json:
        print_json({"layout": str(layout), "name": name, "digest": made.digest})
    else:
        print(made.digest)


@command.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=_PLACE)
@click.option("--key-id", required=True, help="KBS URI under which the broker keeps the key.")
@click.option(
    "--key-file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="32-byte wrapping key; made if missing. `casemate kbs set` gives it to the broker.",
)
@click.option("--layer", "layers", type=int, multiple=True, help="Layer to encrypt, from 0; all.")
@click.option("--name", help="Which image of the layout; the only one.")
@json_option
def encrypt(
    *,
    source: Path,
    target: Path,
    key_id: str,
    key_file: Path,
    layers: tuple[int, ...],
    name: str | None,
    as_json: bool,
) -> None:
    """Encrypt layers of an image: from an OCI layout into a new one.

    \b
    Example:
      casemate image encrypt plain sealed --key-id kbs:///default/image-key/demo --key-file kek
    """
    import asyncio

    from casemate.oci.layout import NAME, Layout, opened
    from casemate.workload.encryption import encrypt_image
    from casemate.workload.key_file import read_or_create

    wrapping = read_or_create(key_file, key_id)
    with opened(source) as layout:
        entry = layout.entry(name)
        known = name or (entry.annotations or {}).get(NAME, "image")
        with Layout.creating(target) as into:
            work = encrypt_image(
                layout, entry, into=into, name=known, wrapping=wrapping, layers=layers or None
            )
            manifest = asyncio.run(work)
            made = into.entry(known)
    sealed = [layer.media_type.endswith("+encrypted") for layer in manifest.layers]
    if as_json:
        print_json({"digest": made.digest, "key_id": key_id, "layers_encrypted": sealed})
    else:
        print(made.digest)
        say(f"{sum(sealed)} of {len(sealed)} layers encrypted; their key is wrapped for {key_id}")


@command.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("image")
@click.option("--name", help="Which image of the layout; the only one.")
@json_option
@_reaching
async def push(reach: Reach, source: Path, image: str, name: str | None, as_json: bool) -> None:
    """Push an image of an OCI layout to a registry.

    \b
    Example:
      casemate image push sealed localhost:5443/demo/app:1 --ca ca.pem
    """
    from casemate.oci.layout import opened
    from casemate.oci.reference import Reference
    from casemate.workload import publish

    reference = Reference.parse(image)
    with opened(source) as layout, steps(f"Pushing {reference}") as step:
        async with reach.registry(reference) as registry:
            pushed = await publish.push(layout, layout.entry(name), registry, reference, step)
    if not pushed.layers_encrypted:
        say("No layer is encrypted: whoever can read the registry can read the image.")
    if as_json:
        print_json(pushed)
    else:
        print(pushed.digest)


@command.command()
@click.argument("image")
@click.option("--key", required=True, type=click.File("rb"), help="Private key, PEM.")
@json_option
@_reaching
async def sign(reach: Reach, image: str, key: BinaryIO, as_json: bool) -> None:
    """Sign an image that lies in a registry, in cosign's format.

    \b
    Example:
      casemate image sign localhost:5443/demo/app:1 --key cosign.key --ca ca.pem
    """
    from casemate.crypto.digest import sha256
    from casemate.crypto.keys import PrivateKey
    from casemate.files import read
    from casemate.oci.reference import Reference
    from casemate.oci.signature import cosign
    from casemate.oci.signature.judgement import fingerprint
    from casemate.secret import Secret
    from casemate.workload import publish

    reference = Reference.parse(image)
    signer = PrivateKey.from_pem(Secret(read(key)))
    async with reach.registry(reference) as registry:
        document = await registry.document(reference.wanted)
        digest = sha256(document.raw)
        await publish.sign(registry, reference, digest, signer)
    facts = {
        "image": str(reference),
        "digest": str(digest),
        "signature": str(reference.tagged(cosign.tag(digest))),
        "key": fingerprint(signer.public),
    }
    if as_json:
        print_json(facts)
    else:
        print(facts["signature"])


@command.command()
@click.argument("image")
@click.option("--policy", type=click.File("rb"), help="policy.json to judge by.")
@click.option("--key", type=_FILE, help="Public key, PEM: the only one that counts.")
@json_option
@_reaching
async def verify(
    reach: Reach, image: str, policy: BinaryIO | None, key: Path | None, as_json: bool
) -> None:
    """Judge an image as the guest would, before any layer: exit 1 is a refusal.

    \b
    Example:
      casemate image verify localhost:5443/demo/app:1 --key cosign.key.pub --ca ca.pem
    """
    from casemate.files import read
    from casemate.oci.reference import Reference
    from casemate.oci.signature import policy as policies
    from casemate.oci.signature.judgement import Judgement
    from casemate.oci.source import resolve
    from casemate.workload.image_policy import signed_only

    if (policy is None) == (key is None):
        raise click.UsageError("give either --policy or --key")
    reference = Reference.parse(image)
    raw = read(policy) if policy else signed_only([reference.repository], str(key))
    async with reach.registry(reference) as registry:
        judge = Judgement(policies.parse(raw), reference, source=registry, read_key=_read_file)
        found = await resolve(registry, reference.wanted, reference.digest)
        signed_by = await judge(found)
    if as_json:
        print_json({"image": image, "digest": str(found.digest), "signed_by": signed_by})
    else:
        print(f"{found.digest}  {'; '.join(signed_by) or 'accepted by the policy unsigned'}")


@command.command()
@click.argument("image")
@json_option
@_reaching
async def inspect(reach: Reach, image: str, as_json: bool) -> None:
    """Show an image of a registry, or of an OCI layout folder: layers, encryption, signatures.

    \b
    Example:
      casemate image inspect localhost:5443/demo/app:1 --ca ca.pem
    """
    facts = await _facts(reach, image)
    if as_json:
        print_json(facts)
        return
    print(f"{facts.digest}  {facts.platform}  {' '.join(facts.arguments)}")
    rows = [
        (n, layer.digest[:19], layer.size, layer.packing, ", ".join(layer.key_ids) or "-")
        for n, layer in enumerate(facts.layers)
    ]
    print_table(("layer", "digest", "bytes", "packing", "encrypted for"), rows)
    print(f"{facts.encrypted} of {len(facts.layers)} layers encrypted, {facts.signatures} signed")


def _layout(image: str) -> "Layout | None":
    from casemate.oci.layout import Layout

    return Layout(Path(image)) if Path(image).is_dir() else None


async def _facts(reach: Reach, image: str) -> Any:
    from casemate.oci.reference import Reference
    from casemate.oci.signature import cosign
    from casemate.oci.source import Source, resolve
    from casemate.workload.inspection import describe

    async def look(source: Source, wanted: str, digest: Any) -> Any:
        found = await resolve(source, wanted, digest)
        return describe(found, len(await cosign.fetch(source, found.digest)))

    if (layout := _layout(image)) is not None:
        return await look(layout, layout.entry().digest, layout.entry().content)
    reference = Reference.parse(image)
    async with reach.registry(reference) as registry:
        return await look(registry, reference.wanted, reference.digest)


@command.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def keygen(file: Path, as_json: bool) -> None:
    """Make a signing key: FILE (private, PEM) and FILE.pub (public).

    \b
    Example:
      casemate image keygen cosign.key
    """
    from casemate.crypto.keys import Kind, PrivateKey
    from casemate.oci.signature.judgement import fingerprint
    from casemate.workload.key_file import write_private

    key = PrivateKey.generate(Kind.P256)
    public = file.with_name(file.name + ".pub")
    write_private(file, key.pem())
    write_file(public, key.public.pem())
    facts = {"private": str(file), "public": str(public), "key": fingerprint(key.public)}
    if as_json:
        print_json(facts)
    else:
        print(facts["key"])


@command.command()
@click.argument("scopes", nargs=-1, required=True)
@click.option("--key", required=True, help="Where the guest finds the public key: a KBS URI.")
def policy(scopes: tuple[str, ...], key: str) -> None:
    """Print a policy.json: images of SCOPES need the key's signature, others are rejected.

    \b
    Example:
      casemate image policy localhost:5443/demo --key kbs:///default/cosign/demo.pub
    """
    from casemate.workload.image_policy import signed_only

    print(signed_only(scopes, key).decode(), end="")


async def _read_file(path: str) -> bytes:
    from casemate.files import read

    return read(Path(path.removeprefix("file://")))
