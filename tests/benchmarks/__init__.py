"""What the benchmarks write, and that they run."""
