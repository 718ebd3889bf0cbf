"""Numerics that know nothing of generators."""
