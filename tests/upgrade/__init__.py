"""Data directories of earlier releases, and what each must still give."""
