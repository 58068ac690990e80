#!/usr/bin/env bash
# Has promtool check the alert rules and run their cases. Exit code 77 where there is no promtool, which ./dev test fetches.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../deploy/monitoring"
promtool=$(command -v promtool || echo "${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/toygres/promtool")
if [[ ! -x $promtool ]]; then
  echo "skipped: there is no promtool; ./dev test fetches it from the package prometheus"
  exit 77
fi
"$promtool" check rules alerts.yaml
"$promtool" test rules alerts_test.yaml
