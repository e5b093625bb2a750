"""The gate: the outermost ASGI application of a guarded service.

It builds the Exchange, runs the plugins, asks who answers, and turns errors into status codes. It knows no BentoML.
"""
