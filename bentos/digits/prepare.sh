#!/usr/bin/env bash
# Makes what the digits service needs: trained models, keys, sealed artifacts, a demo caller.
# Existing files are kept. BIN is the bin folder of the virtual environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
BIN=${BIN:-.venv/bin}
TRAINED=${TRAINED:-.state/training}
STATE=${STATE:-bentos/digits/state}
KEYS=$STATE/keys

"$BIN/python" -m training all digits-cnn digits-rnn --out "$TRAINED"

mkdir -p "$STATE/artifacts" "$STATE/audit" "$STATE/drift" "$KEYS"
chmod 700 "$STATE" "$KEYS" "$STATE/audit" "$STATE/drift"

make_key() { [ -e "$KEYS/$2" ] || "$BIN/bento-governance" key create "$1" "$KEYS/$2"; }
make_key signing signing.key
make_key recipient recipient.key
make_key checkpoint checkpoint.key
make_key stop stop.key
make_key secret api-key-hash.key
make_key secret privacy-hash.key

for model in digits-cnn digits-rnn; do
  sealed=$STATE/artifacts/$model.sealed
  [ "$sealed" -nt "$TRAINED/$model/export/card.json" ] && [ "$sealed" -nt "$TRAINED/$model/export/profile.json" ] || "$BIN/bento-governance" artifact seal \
    "$TRAINED/$model/export" "$sealed" --name "$model" --version 1 \
    --sign-with "file:$KEYS/signing.key" --recipient "$KEYS/recipient.key.pub"
done

# The kill switch file; initially no model is stopped.
[ -e "$STATE/stop.json" ] || GOVERNANCE_STOP__FILE="$(realpath "$STATE")/stop.json" \
  GOVERNANCE_STOP__TRUSTED_KEYS="[\"$(realpath "$KEYS")/stop.key.pub\"]" "$BIN/bento-governance" resume ALL \
  --reason "first start" --sign-with "file:$KEYS/stop.key" --settings bentos/digits/governance.toml

# `api-key create` prints the key once and stores only its hash; the demo keeps a copy for the printed curl command.
if [ ! -s "$KEYS/demo.api-key" ]; then
  (umask 077 && "$BIN/bento-governance" api-key create demo --role classifier --role operator --json \
    --store "$STATE/api-keys.json" --hash-key "file:$KEYS/api-key-hash.key" |
    "$BIN/python" -c 'import json, sys; print(json.load(sys.stdin)["token"])' >"$KEYS/demo.api-key.new")
  mv "$KEYS/demo.api-key.new" "$KEYS/demo.api-key"
fi
[ -s "$STATE/digit.png" ] || "$BIN/python" -m training sample digits-cnn --to "$STATE/digit.png"
