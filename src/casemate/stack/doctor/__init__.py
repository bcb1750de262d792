"""What this machine has and lacks for the local stack, and how to mend it."""
