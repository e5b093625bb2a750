"""Cedar policies: what a caller may do, for which purpose, and in how much detail it gets the answer.

Read `verdict` (a request to the policies and the decision), `obligations` and `output_detail` (conditions of a permit),
`policy_set` and `policy_files` (deciding; loading), `model_card` (what a model's card contributes), `review` (remarks
on valid policies); `cedar/` is the use of Cedar itself. Requests are values here: routes, headers and bodies are not
known.
"""
