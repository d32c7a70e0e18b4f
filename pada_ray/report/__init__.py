"""Reports of a run or a sweep: tables on the terminal, and an HTML page with the details."""

from pada_ray.report.terminal import print_ending, print_report, printed

__all__ = ["print_ending", "print_report", "printed"]
