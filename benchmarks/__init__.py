"""Speed, as ratios against a peer in one run; medians over repetitions. Run by ``make bench``, never by tests."""
