"""The one driver of everything that is optimised."""
