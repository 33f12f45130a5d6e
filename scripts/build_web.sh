#!/usr/bin/env bash
# Builds the program of the review page; with --check, builds it elsewhere and compares it with what is committed.
set -euo pipefail
cd "$(dirname "$0")/../src/vlm_autodrive/review/web"

npm ci --silent
npm run --silent check
if [[ "${1:-}" != --check ]]; then
    npm run --silent build
    exit
fi
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
OUT="$built" npm run --silent build
for name in app.js app.css; do
    cmp "$built/$name" "../static/$name" || { echo "static/$name is not what web/ builds: run scripts/build_web.sh" >&2; exit 1; }
done
