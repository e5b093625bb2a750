#!/usr/bin/env bash
# Makes what the redactor needs: keys, sealed artifacts, a demo caller. Existing files are kept.
set -euo pipefail
cd "$(dirname "$0")/../.."
BIN=${BIN:-.venv/bin}
STATE=${STATE:-bentos/redactor/state}
KEYS=$STATE/keys

mkdir -p "$STATE/audit" "$KEYS"
chmod 700 "$STATE" "$KEYS" "$STATE/audit"
[ -e "$KEYS/checkpoint.key" ] || "$BIN/bento-governance" key create checkpoint "$KEYS/checkpoint.key"
[ -e "$KEYS/api-key-hash.key" ] || "$BIN/bento-governance" key create secret "$KEYS/api-key-hash.key"
[ -e "$KEYS/signing.key" ] || "$BIN/bento-governance" key create signing "$KEYS/signing.key"
[ -e "$KEYS/recipient.key" ] || "$BIN/bento-governance" key create recipient "$KEYS/recipient.key"
seal() {
  "$BIN/bento-governance" artifact seal "$2" "$STATE/$1.sealed" --name "$1" --version 1 \
    --sign-with "file:$KEYS/signing.key" --recipient "$KEYS/recipient.key.pub"
}
# The tagger of this package, and the model behind the Open Inference Protocol.
[ "$STATE/pii-tagger.sealed" -nt governance/privacy/tagger/pii_tagger/card.json ] || seal pii-tagger governance/privacy/tagger/pii_tagger
if [ ! -e "$STATE/redactor.sealed" ]; then
  "$BIN/python" -m bentos.redactor.model "$STATE/redactor"
  seal redactor "$STATE/redactor"
fi
if [ ! -s "$KEYS/demo.api-key" ]; then
  (umask 077 && "$BIN/bento-governance" api-key create demo --role redactor --role operator --json \
    --store "$STATE/api-keys.json" --hash-key "file:$KEYS/api-key-hash.key" |
    "$BIN/python" -c 'import json, sys; print(json.load(sys.stdin)["token"])' >"$KEYS/demo.api-key.new")
  mv "$KEYS/demo.api-key.new" "$KEYS/demo.api-key"
fi
echo "Ready: $BIN/bentoml serve bentos.redactor.service:Redactor --host 127.0.0.1"
echo "The page is http://127.0.0.1:3000/page/ and the API key of the demo caller is in $KEYS/demo.api-key"
