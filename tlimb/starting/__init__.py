"""The first files of a project, as `tlimb init` writes them: from an example study, or from folders of data."""
