"""The version of the program: its one home, from which the distribution takes it too."""

__version__ = "0.1.0"
