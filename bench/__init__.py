"""How fast it is: ours and its peers, both measured in one run, as ratios."""
