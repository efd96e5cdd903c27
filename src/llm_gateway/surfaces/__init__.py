"""Protocols in and out: decode, ask, encode. No decisions."""
