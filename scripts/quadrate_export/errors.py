"""The one error that is meant for the person at the terminal."""


class ExportError(Exception):
    """A model that cannot be exported, said in one line that names the cause."""
