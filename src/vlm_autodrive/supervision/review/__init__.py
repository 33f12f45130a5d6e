"""Review of a supervision set by people: the samples drawn for it, the acceptance rates, and the corrected set."""
