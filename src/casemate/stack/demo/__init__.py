"""The whole story on one machine: owner, Trustee, registry, pod, attacks, and what they proved."""
