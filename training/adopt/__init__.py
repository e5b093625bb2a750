"""Adopts models that were trained elsewhere: converts them to ONNX, compares the answers, writes card and profile.

Reading order: `model` (what a converter returns), one module for each framework, `frameworks` (which one a model is
of), `folder` (files in safe formats and folders of exports), `adopt` (the whole of it), `command`.

A framework is imported only where a model of it is adopted. A file that runs code when it is read (pickle, joblib,
`.pt`, `.h5`) is refused: adopt such a model by a function of your own code that returns it.
"""

from training.adopt.adopt import Adopted, adopt

__all__ = ["Adopted", "adopt"]
