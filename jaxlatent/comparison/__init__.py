"""Every method on a generator whose factors are known, at a small budget."""
