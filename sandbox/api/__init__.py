"""The sandbox over HTTP: X's paths, and `/sandbox` for whoever sets the scene."""
