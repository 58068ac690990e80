#!/usr/bin/env bash
# usage: tests/api_fuzz/check.sh BUILD [--seed N] [--seconds N] [SCHEMATHESIS OPTION…]
# Calls every route of a `toygres up` with requests drawn from api/openapi.yaml, right ones and wrong ones. Fails on
# answers of 500 and above that are not documented, on statuses, content types and headers that are not, and on bodies
# that do not fit their schema. The seed is printed; the same one draws the same requests.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "${1:?usage: check.sh BUILD [--seed N] [--seconds N] [OPTION…]}" && pwd)
shift
seed=20 seconds=80
while (($# > 0)); do
  case $1 in
    --seed) seed=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    *) break ;;
  esac
done
die() { printf 'api_fuzz: %s\n' "$*" >&2; exit 1; }

# The fuzzer is loaded once, in the releases that requirements.txt names by their hashes, and installed nowhere else.
fuzzer() {
  local wanted cache
  wanted=$(sha256sum "$here/requirements.txt" | cut -c1-16)
  cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/toygres/fuzz-$wanted
  if [[ ! -x $cache/bin/schemathesis ]]; then
    rm -rf "$cache.new" "$cache"
    { python3 -m venv "$cache" && "$cache/bin/pip" install --quiet --require-hashes -r "$here/requirements.txt"; } >&2 || {
      rm -rf "$cache"
      die "cannot load the fuzzer into $cache: it takes Python 3.11 or newer with venv (package python3-venv) and an index of Python packages; ./dev deps installs the former"
    }
  fi
  printf '%s\n' "$cache/bin/schemathesis"
}

schemathesis=$(fuzzer)
STATE=$(mktemp -d "${TMPDIR:-/tmp}/toygres-fuzz.XXXXXX")
chmod 755 "$STATE"
export TOYGRES_STATE_DIR=$STATE PATH=$build:$PATH NO_COLOR=1 PYTHONDONTWRITEBYTECODE=1
export HYPOTHESIS_STORAGE_DIRECTORY=$STATE/hypothesis
cleanup() {
  status=$?
  if ((status != 0)); then
    echo "-- what the server logged of it:"
    grep -hE '"level":"(error|critical)"' "$STATE/server.log" 2>/dev/null | tail -n 20 || true
  fi
  toygres down --purge --yes >/dev/null 2>&1 || true
  rm -rf "$STATE"
  exit $status
}
trap cleanup EXIT

toygres up >/dev/null
toygres create mydb --no-replication --wait >/dev/null
url=$(jq -r .api_url "$STATE/cli.json")
echo "fuzzing $url for at most ${seconds}s, seed $seed (repeat with: tests/api_fuzz/check.sh $build --seed $seed)"
cd "$here"
"$schemathesis" --config-file schemathesis.toml run "$url/api/v1/openapi.yaml" --url "$url" --wait-for-schema 10 \
  --header "Authorization: Bearer $(cat "$STATE/token")" --seed "$seed" --max-time "$seconds" \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance \
  "$@"
# Whoever asks afterwards is served, and no handler has failed.
toygres get mydb >/dev/null || die "the server does not answer any more"
! grep -q '"event":"request.handled".*"status":500' "$STATE/server.log" || die "a request was answered 500"
