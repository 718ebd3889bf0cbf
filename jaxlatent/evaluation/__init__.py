"""Does an edit do what it says: scores of pictures, before and after."""
