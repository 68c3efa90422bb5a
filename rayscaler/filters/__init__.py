"""The paper's three filters (AgentScaler, section 3.1) and one of ours, one predicate per file, and the funnel.

Validity, state and exact match are the paper's, in its order; `told`, after them, is ours.
"""
