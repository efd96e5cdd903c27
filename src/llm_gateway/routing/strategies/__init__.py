"""The ways to put targets in order, one file each."""
