"""Names of the data hub's ttrpc services (guest-components §3)."""

from typing import Final

RESOURCES: Final = "api.GetResourceService"
IMAGES: Final = "api.ImagePullService"
MOUNTS: Final = "api.SecureMountService"
KEYS: Final = "keyprovider.KeyProviderService"
