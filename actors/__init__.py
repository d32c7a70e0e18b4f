"""One Ray actor per agent, the LLM gateway, and the orchestrator that owns the shared state.

Each actor is a plain class of `pada_ray` wrapped once. Agents hold no accelerator: a GPU belongs to a stage (Ray
Train's workers, Ray Data's pool) and only for as long as the stage lasts.
"""
