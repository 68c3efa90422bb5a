"""Environments -> certified tasks: walk, bind, gold, intent (paper section 2.2)."""
