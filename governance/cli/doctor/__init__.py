"""`bento-governance doctor`: what is wrong with a service, in one line each, with what to do about it.

Reading order: `finding`, `keys`, `policies` and `models` (what the settings name), `machine` (what they run on),
`command`. Every check only looks: nothing is made, repaired or served.
"""
