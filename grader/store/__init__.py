"""What the service keeps: people, courses, files, gradings and grades, in SQLite or PostgreSQL.

Files are kept once by their content; gradings and grade events are only ever added; nothing that has a grade can be
deleted. It knows neither HTTP nor how a grade comes about.
"""
