"""Networks of the benchmarks, as a laboratory would bring its own."""
