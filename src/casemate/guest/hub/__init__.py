"""The confidential data hub: resources, image keys, image pulls and secure mounts."""
