"""Callers: who sends a request, by API key, JSON Web Token or client certificate."""
