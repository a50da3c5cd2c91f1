"""The families of models, and the layers that they share."""
