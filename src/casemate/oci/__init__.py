"""Container images: reference, manifest, layers, encryption, signatures, pull and unpack."""
