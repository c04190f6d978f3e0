"""The loop on a laptop, from an empty account to nothing left, as a story that a person can watch."""
