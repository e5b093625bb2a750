"""HTTP/1.1 connections as uvicorn serves them: strict framing, deadlines for the head, and an orderly end at SIGTERM.

Read `head` (what a request's head must be), `protocol` (one connection), `watch` (deadlines of all connections),
`drain` (SIGTERM), then `presence` (what the processes of one service know of each other). Nothing here knows routes,
callers or plugins: a request that is refused here never becomes an `Exchange`.
"""
