"""The command line `bento-governance`: options, printing and exit statuses; the work is done by the packages below.

Read `main` (the commands and their exit statuses), `options` and `help` (shared by all), then one file or folder for
each group: `key`, `artifact/`, `audit`, `api_key`, `policy/`, `grant`, `stop`, `privacy/`, `drift`. Only this package
knows click and exit statuses.
"""
