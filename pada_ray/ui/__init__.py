"""A live page on a run or a sweep: what its folder says, drawn again as it changes. It writes nothing but the file of a
review that the run waits for."""
