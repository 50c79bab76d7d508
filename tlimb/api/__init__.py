"""The steps of a study, for the command line and for notebooks: load, check, plan, run, rank."""
