"""The laboratory: the papers' measures, so that every model is judged on the same work."""
