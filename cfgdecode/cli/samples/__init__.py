"""Bundled texts and the bundled tokenizer."""
