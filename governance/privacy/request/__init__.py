"""Personal data in one request: JSON bodies, queries, forms, tensors, and streamed answers.

Order of reading: `paths` (places in a JSON document), `leaves` (strings below them), `plain` (fast reading of usual
documents), `fields` (declared JSON fields), `forms` (queries and forms), `tensors` (columns of the Open Inference
Protocol), `card_rules` (what a model's signed card requires), `plan` (all of that for one route), `text_body`
(answers that are text), `stream` (answers that are sent in parts).

This package must not know HTTP, routes, settings, or the plugin chain: it takes bytes and values, and returns bytes and
`Redactions`. It imports `change` and `pictures`, never the reverse.
"""
