"""What the tests of hooks and loops share: a small language, toy models, the published algorithms, all loops."""
