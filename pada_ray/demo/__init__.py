"""The demo: a domain with verifiable answers and a student small enough to fine-tune in seconds."""

from pathlib import Path

STUDENT = Path(__file__).parent / "student"
"""The folder of the shipped student, for `from_pretrained`."""
