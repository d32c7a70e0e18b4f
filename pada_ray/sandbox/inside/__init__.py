"""What runs inside the sandbox. It imports the standard library and itself, nothing else.

Two processes share a sandbox: one loads the program and answers calls, the other, which started it, runs
the tests and alone can say that they passed.
"""
