"""Checks Quadrate on a GPU with random-weight models of real shapes, and reports in Markdown."""
