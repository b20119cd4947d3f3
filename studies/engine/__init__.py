"""What all studies share: records, runs, verdicts, pages and plots."""
