"""Codes and directions in the files of the original projects, read and written."""
