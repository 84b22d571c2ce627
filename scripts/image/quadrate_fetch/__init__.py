"""Exports the models that an image is told to serve and does not have, before its server starts.

It runs quadrate_export, one model at a time, and knows of it no more than its command line and
what a manifest says. It never runs as root, and one volume has one of it at work.
"""
