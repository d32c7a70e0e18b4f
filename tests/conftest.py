"""For all tests, before any of them loads torch."""

import os

# Tests compute beside each other. Threads that wait by spinning halt where a core is taken: a tiny model then takes
# many times as long with two threads as with one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
