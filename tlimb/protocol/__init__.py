"""What passes between whoever schedules runs and whoever executes them: options, outcomes, lines on a pipe."""
