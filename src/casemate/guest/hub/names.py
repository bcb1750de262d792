"""Names of the data hub's ttrpc services (guest-components §3); the last one is ours alone."""

from typing import Final

RESOURCES: Final = "api.GetResourceService"
IMAGES: Final = "api.ImagePullService"
MOUNTS: Final = "api.SecureMountService"
KEYS: Final = "keyprovider.KeyProviderService"
TREES: Final = "casemate.ImageTreeService"
"""Forgets images; for the agent beside the vault, never on the hub's socket."""
