"""What a model may better, never on trust: prompts, typed answers, and what is checked of each (paper 2.1 and 2.2).

A step asks one question about one subject. Its prompt is the YAML file of its name; its answer is a pydantic model,
sent along as JSON Schema; what a schema cannot say is checked by the question itself. An answer that does not pass is
told back with what is wrong with it, a bounded number of times; then the rules' own result stands. Nothing here waits
or writes: `rayscaler.runtime.refiner` does.
"""

VERSION = 1
"""Grows with every change of a step that changes what is asked or what is taken. Prompts are hashed beside it."""
