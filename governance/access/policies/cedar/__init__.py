"""Cedar itself: parsing, schema, entities, and the selection of the policies that a request can match.

Read `text` (policies, templates and links from text), `schema` (validation, and what a schema declares), `conditions`
(those that can never hold), `entities` (the entities of one request), `index` (policies by scope). Only this folder and
`policy_set` use the package `cedarpy`. Of the modules around it, only `obligations` is known here.

Source: https://docs.cedarpolicy.com
"""
