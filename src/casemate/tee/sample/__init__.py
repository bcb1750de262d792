"""The sample TEE: every step real but the proof. It never satisfies a production policy."""
