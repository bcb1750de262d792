"""What runs inside the measured VM: agent, forwarder, attestation, data hub and REST."""
