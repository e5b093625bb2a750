"""A run: what is written into its folder, and what is read from it again.

Read in this order: `state` (progress), `folder` (what the run was made of: data, environment, log), `checkpoint`
(weights, with which a stopped run goes on), `curves` (a picture), `compare`. Only `checkpoint` knows torch.
"""
