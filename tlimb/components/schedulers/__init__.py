"""Makers of learning-rate schedules."""
