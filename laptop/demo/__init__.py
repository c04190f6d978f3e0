"""The loop on a laptop, from an empty account to nothing left, a story that one can watch."""
