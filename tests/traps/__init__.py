"""The traps that cost other event stores years, each as the schedule that springs it."""
