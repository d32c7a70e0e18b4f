"""What runs inside the sandbox. It imports only the standard library and itself.

Two processes share a sandbox. One loads the program and answers calls. The other started it, runs the tests,
and is the only one that can report that they passed.
"""
