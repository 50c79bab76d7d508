"""Study and cohort indexes to a graph of manifests in which equal work stands once."""
