"""A live page on a run or a sweep: what its folder says, drawn again as it changes. It only reads."""
