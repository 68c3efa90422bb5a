"""rayscaler: API specifications in; certified environments, verified trajectories and a trained agent out, on Ray."""

__version__ = "0.1.0"
