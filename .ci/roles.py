"""Reads the roles of docstrings (``:class:`x```) as plain code, for the pages of the API.

Called by griffe, through mkdocs.yml. That each role names something which is there is proven by
tests/test_words.py.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:mod|class|func|meth|data|attr|exc|obj|const):`~?([^`]+)`")


class Roles(griffe.Extension):
    """Rewrites docstrings when they are loaded."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Take the roles out of an object's docstring."""
        if obj.docstring is not None:
            text = _ROLE.sub(r"`\1`", obj.docstring.value)
            obj.docstring.value = text.replace("``", "`")
