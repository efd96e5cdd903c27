"""Telling people what they should know, where they want to hear it."""
