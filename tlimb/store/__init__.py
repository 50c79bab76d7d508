"""The content-addressed store: a folder in which finished work appears by one rename and is never changed."""
