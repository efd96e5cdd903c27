"""Complete graphs, each a program: ``python -m for_agents.examples.NAME --sandbox``."""
