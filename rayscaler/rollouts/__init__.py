"""Conversations: the chat protocol, the dialogue state machine, the scripted sides, and one recorded rollout."""
