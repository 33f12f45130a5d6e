"""Review of a supervision set by people: a page to judge samples on, the sample drawn, and the rates."""
