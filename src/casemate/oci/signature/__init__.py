"""Who signed an image, and whether that is enough: policy.json, identities, cosign signatures."""
