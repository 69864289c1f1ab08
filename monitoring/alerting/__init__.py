"""From what was seen to alerts: rules, their machine, the graph of dependencies, windows, and the engine.

Polling notes what it saw (`observing`); the engine alone moves alerts from state to state.
"""
