"""Whoever relies on a service: it verifies where its data would go before the first byte leaves."""
