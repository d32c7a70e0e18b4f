"""An embedded demo: a domain with verifiable answers and a student small enough to fine-tune in seconds."""

from pathlib import Path

STUDENT = Path(__file__).parent / "student"
"""Folder of the shipped student, as `from_pretrained` takes it."""
