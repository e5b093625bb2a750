"""Changing personal data: operators (mask, hash, tokenise, ...) applied to findings and fields."""
