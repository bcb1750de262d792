"""The trusted side: who decides and hands out secrets."""
