"""A report, shown: to a person in a terminal, to a program as JSON. It knows the report and nothing else."""
