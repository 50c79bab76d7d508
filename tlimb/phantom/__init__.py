"""Synthetic brain cohorts with known truth, written as BIDS datasets."""

from tlimb.phantom.dataset import make

__all__ = ["make"]
