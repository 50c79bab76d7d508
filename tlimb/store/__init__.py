"""The content-addressed store of finished work; standard library and attrs only."""

from tlimb.store.objects import Published, seal
from tlimb.store.states import State
from tlimb.store.store import Store

__all__ = ["Published", "State", "Store", "seal"]
