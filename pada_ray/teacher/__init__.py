"""The offline teacher: an OpenAI-compatible server that answers this project's prompts by fixed rules.

With it the whole loop can be run, tested, or rehearsed on one's own data without a key and without cost. It
is a stand-in: it solves only the demo's problems and otherwise rewords what it is shown. Results measured
with it say nothing about a real LLM as teacher.
"""

from pada_ray.config.teacher import TeacherSettings
from pada_ray.teacher.process import RunningTeacher, start_teacher

__all__ = ["RunningTeacher", "TeacherSettings", "start_teacher"]
