"""Attacks on the local stack, one file each. Every one does the real thing and must be refused.

An attack raises VerificationError when a defence held, as any caller would see it; it returns what
it got when none did. A refusal by another rule than the one attacked is no success either.
"""
