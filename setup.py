"""Compiles the optional loops if there is a compiler; without one, Python code does the same. See pyproject.toml."""

import sys
from pathlib import Path

from setuptools import Extension, setup

WITHOUT_DEBUG = [] if sys.platform == "win32" else ["-g0"]

setup(
    ext_modules=[
        Extension(
            f"governance.privacy.native.{source.stem}", [str(source)], optional=True, extra_compile_args=WITHOUT_DEBUG
        )
        for source in sorted(Path("governance/privacy/native").glob("*.pyx"))
    ]
)
