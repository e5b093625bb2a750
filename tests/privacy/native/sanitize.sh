#!/usr/bin/env bash
# Runs the tests of the compiled functions under AddressSanitizer and UndefinedBehaviorSanitizer: no read outside of a
# buffer, no overflow.
#   BIN=.venv/bin tests/privacy/native/sanitize.sh      needs g++; a copy is built in a temporary folder, half a minute in all
set -euo pipefail
cd "$(dirname "$0")/../../.."
python=$PWD/${BIN:-.venv/bin}/python
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -co --exclude-standard | tar cf - -T - | tar xf - -C "$copy"
cd "$copy"
"$python" -m venv --without-pip build
"$python" -m pip --python build/bin/python install --quiet --disable-pip-version-check 'cython>=3.1' 'setuptools>=80'
CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -g -O1 -fno-omit-frame-pointer" \
  build/bin/python setup.py --quiet build_ext --inplace
preload=''
for library in asan ubsan stdc++; do preload+="$(g++ -print-file-name=lib$library.so) "; done
# Leaks of Python itself are not reported. Python's memory pools are off: they would hide reads outside of a buffer.
export ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc PYTHONPATH=$copy LD_PRELOAD=$preload
"$python" -c "import governance.privacy.native.candidate_filter as module; assert module.__file__.startswith('$copy')"
"$python" -m pytest -q -p no:cacheprovider tests/privacy/native/test_native.py -k 'not without_a_working_compiler'
