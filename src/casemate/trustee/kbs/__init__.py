"""The key broker: sessions of the RCAR handshake, resources and who gets them, administration."""
