"""Generators: blocks of an engine -> phrases, one module a kind of family."""
