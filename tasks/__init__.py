"""ACT: one sentence a task, grouped by what it does for the user. Rules are in models, equipment in worker."""
