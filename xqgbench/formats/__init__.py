"""Readers of data-set formats: the only modules that open data-set files.

A data set in a known format is a card, no code.
"""
