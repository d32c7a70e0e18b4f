"""The offline teacher: an OpenAI-compatible server that answers this project's prompts by fixed rules.

It lets the whole loop run, be tested and be rehearsed on one's own data without a key and without cost. It
is a stand-in: it solves only the demo's little problems and otherwise rewords what it is shown, so nothing
that is measured with it says anything about teaching by a real LLM.
"""

from pada_ray.config.teacher import TeacherSettings
from pada_ray.teacher.process import RunningTeacher, start_teacher

__all__ = ["RunningTeacher", "TeacherSettings", "start_teacher"]
