"""One module per subcommand of `jobs/bench.py`."""
