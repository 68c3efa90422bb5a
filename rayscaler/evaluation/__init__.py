"""Evaluation: what a benchmark is, the worlds of public benchmarks, pass^k with intervals, and reports. Pure."""
