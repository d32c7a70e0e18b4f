"""Where a run stops for a person, who edits what it made: strategies before they are used, and samples before they are
trained on."""
