"""The edge to the network: the only room that imports socket, ssl and HTTP libraries."""
