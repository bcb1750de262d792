"""What Hygon's TEEs share: certificates that are no X.509, signed with SM2, up to Hygon's root."""
