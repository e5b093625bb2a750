"""Random requests at a running service: it must answer none with 500, and go on answering good ones.

`make fuzz` runs it for ten minutes. Read `mutate.py` (how requests are made), `wire.py` (how they are sent) and `run.py`
(the loop, and what is a failure).
"""
