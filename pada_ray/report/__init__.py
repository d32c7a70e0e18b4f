"""What a person reads of a run or a sweep: tables on the terminal, and a page with everything behind them."""

from pada_ray.report.terminal import print_report, printed

__all__ = ["print_report", "printed"]
