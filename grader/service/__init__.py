"""The grader as a service: people sign in, hand in, and see reports; workers grade what waits.

It knows HTTP and what is kept (`store`); how a grade comes about is `grading`'s.
"""
