"""What editors read: the folder `.tlimb` of a project, and descriptions of user code from its source."""
