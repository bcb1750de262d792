"""Documents of the demo's owner: what the pod may do, whom it trusts, which images it takes."""

from importlib import resources
from typing import Final

import tomli_w

from casemate.tee.vtpm.report import init_data_register
from casemate.wire.initdata import Initdata
from casemate.workload.image_policy import signed_only

IMAGE_KEY: Final = "default/image-key/demo"
IMAGE_POLICY: Final = "default/security-policy/demo"
SIGNING_KEY: Final = "default/cosign-key/demo"
REPOSITORY: Final = "demo/app"


def agent_configuration(*, trustee: str, authority: str) -> str:
    """aa.toml: the one Trustee this pod attests to, by URL and pinned authority (PEM)."""
    return tomli_w.dumps({"token_configs": {"kbs": {"url": trustee, "cert": authority}}})


def hub_configuration(
    *, trustee: str, authority: str, registry: str, reachable_at: str, registry_authority: str
) -> str:
    """cdh.toml: where secrets and image rules come from, and how the registry is reached.

    ``registry`` is the name images carry (``localhost:5443``), ``reachable_at`` the address of
    the same registry as the guest sees it.
    """
    return tomli_w.dumps(
        {
            "kbc": {"name": "cc_kbc", "url": trustee, "kbs_cert": authority},
            "image": {
                "image_security_policy_uri": f"kbs:///{IMAGE_POLICY}",
                "extra_root_certificates": [registry_authority],
                "registry_config": {
                    "registry": [{"prefix": registry, "location": reachable_at}],
                },
            },
        }
    )


def agent_policy(registry: str) -> str:
    """policy.rego: what the host may ask of the agent; only images of the owner's repository."""
    text = resources.files(__package__).joinpath("agent-policy.rego").read_text()
    return text.replace("@REPOSITORY@", f"{registry}/{REPOSITORY}")


def resource_policy(initdata: Initdata) -> str:
    """resource-policy.rego: who may have anything; the pod's initdata is pinned in it."""
    text = resources.files(__package__).joinpath("resource-policy.rego").read_text()
    return text.replace("@PCR08@", init_data_register(initdata.digest).hex())


def image_policy(registry: str) -> bytes:
    """policy.json: only images of the demo's repository, signed with the owner's key."""
    return signed_only([f"{registry}/{REPOSITORY}"], f"kbs:///{SIGNING_KEY}")
