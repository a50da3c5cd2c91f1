"""Studies: what the specs say must be shown of a family, as commands that write JSON and PNG."""
