"""The programs: `pada COMMAND` on a machine, `python -m jobs.NAME` under `ray job submit`."""
