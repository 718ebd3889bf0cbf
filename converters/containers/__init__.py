"""File containers -> NumPy arrays and plain values, executing nothing."""
