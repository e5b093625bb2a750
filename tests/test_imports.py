"""Every module of the package is imported without any extra, but those that name their extra."""

import pkgutil
from importlib import import_module

import pytest

import governance

# What a module of a key provider needs; each is imported only where a key's URI names its scheme.
NEED_AN_EXTRA = {
    "governance.keys.providers.awskms": ("boto3", "botocore"),
    "governance.keys.providers.pkcs11": ("pkcs11",),
    "governance.keys.providers.vault": ("hvac",),
}
# A program; and loops in C, which the modules of their Python twins import.
NOT_IMPORTED = ("__main__", "governance.privacy.native.")

MODULES = [
    module.name
    for module in pkgutil.walk_packages(governance.__path__, "governance.", onerror=pytest.fail)
    if not module.name.endswith(NOT_IMPORTED[0]) and not module.name.startswith(NOT_IMPORTED[1])
]


def test_import_list_has_every_module():
    assert len(MODULES) > 200
    assert set(NEED_AN_EXTRA) <= set(MODULES)


# BentoML imports what its own dependencies deprecate.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", MODULES)
def test_import_of_module_needs_no_extra(name):
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] not in NEED_AN_EXTRA.get(name, ()):
            raise
