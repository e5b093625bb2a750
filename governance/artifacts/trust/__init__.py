"""Trust in artifacts: their signatures, the trusted signers, and the lowest version that may be served."""
