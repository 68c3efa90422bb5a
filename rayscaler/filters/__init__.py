"""The paper's three filters (AgentScaler, section 3.1), one predicate per file, and the funnel that counts them."""
