"""Container images: reference, manifest, layers, sources and sinks, encryption, signatures, unpacking."""
