"""Every method at a small budget on a generator whose factors of variation are known."""
