"""The heads of all logs below a folder, read from their ends alone."""

import os

import pytest

from governance.audit.heads import read_heads
from governance.audit.log import CHECKPOINTS, ENTRIES, open_worker_log
from governance.keys.signing import SigningKey
