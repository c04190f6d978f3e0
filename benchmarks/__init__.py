"""What Perennial costs on top of the same resources declared bare, as ratios of one run."""
