"""The study language: text to typed objects, with every mistake positioned."""
