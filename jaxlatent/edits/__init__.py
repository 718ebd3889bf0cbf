"""Edits: what shifts latents."""
