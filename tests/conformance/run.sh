#!/usr/bin/env bash
# Other people's programs from the npm registry against our server: MCP's conformance suite in both eras, the MCP
# Inspector's command line, the TypeScript SDK 1 and 2. Needs npm and its registry, so it is not part of `make test`.
#   PYTHON=…  the Python with the gateway installed (.venv/bin/python)
set -euo pipefail

SUITE=0.1.16
SUITE_BOTH_ERAS=0.2.0-alpha.12
INSPECTOR=2.12.0
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
python=${PYTHON:-$checkout/.venv/bin/python}

give_up() {
  echo "conformance: $1" >&2
  exit 2
}
command -v npm >/dev/null || give_up "npm is missing; these checks run programs from the npm registry (Node 22 or newer)"
command -v node >/dev/null || give_up "node is missing; these checks run programs from the npm registry (Node 22 or newer)"
"$python" -c "import fastmcp" 2>/dev/null || give_up "$python has no gateway installed; run make test first or set PYTHON"

work=$(mktemp -d)
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

install() { # FOLDER PACKAGES…
  mkdir -p "$work/$1" && (cd "$work/$1" && npm init -y >/dev/null && npm install --no-audit --no-fund --loglevel=error "${@:2}" >/dev/null) ||
    give_up "npm could not install ${*:2}"
}
if [ "$(node -p 'parseInt(process.versions.node)')" -lt 22 ]; then
  echo "Node $(node --version) is too old for them; fetching 22 …"
  platform=$(node -p 'process.platform + "-" + process.arch')
  install node "node-$platform@22"
  PATH="$work/node/node_modules/node-$platform/bin:$PATH"
fi
echo "Fetching the programs …"
install suite "@modelcontextprotocol/conformance@$SUITE"
install both "@modelcontextprotocol/conformance@$SUITE_BOTH_ERAS" "@modelcontextprotocol/inspector@$INSPECTOR" \
  "@modelcontextprotocol/sdk@1" "@modelcontextprotocol/client@2"

started() { # FILE PATTERN: the first match, once it is there
  for _ in $(seq 300); do
    grep -om1 "$2" "$1" 2>/dev/null && return
    sleep 0.1
  done
  cat "$1" >&2
  return 1
}
cd "$work"
export PYTHONPATH="$checkout" AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox AWS_EC2_METADATA_DISABLED=true
PYTHONPATH="$checkout/src:$checkout/tests" FASTMCP_LOG_ENABLED=false FASTMCP_CHECK_FOR_UPDATES=off \
  "$python" "$here/fixture_server.py" >fixtures.out 2>fixtures.err &
running+=($!)
PYTHONPATH="$checkout/src" "$python" -m llm_gateway.sandbox --port 0 --delta-delay-ms 5 2>sandbox.err &
running+=($!)
AWS_ENDPOINT_URL_BEDROCK_RUNTIME=$(started sandbox.err 'http://[0-9.:]*')
export AWS_ENDPOINT_URL_BEDROCK_RUNTIME
"$python" -m src.server --transport http --port 0 2>gateway.err &
running+=($!)
fixtures=$(started fixtures.out 'http://.*/mcp')
gateway=$(started gateway.err 'http://[0-9.:]*/mcp')
failed=0

conformance() { # FOLDER LABEL ARGUMENTS…
  echo "== conformance $2"
  if (cd "$1" && node node_modules/.bin/conformance server --url "$fixtures" "${@:3}") >"$work/log" 2>&1; then
    sed -n '/SUMMARY/,$p' "$work/log"
  else
    failed=1
    tail -80 "$work/log"
  fi
}
conformance suite "$SUITE" --expected-failures "$here/does_not_apply-$SUITE.yaml"
for era in 2025-11-25 2026-07-28; do
  conformance both "$SUITE_BOTH_ERAS, $era" --requirements "$era" --expected-failures "$here/does_not_apply-$era.yaml" \
    --output-dir "$work/$era"
done

inspector() { # LABEL WANTED TARGET… : lists the tools, asks a model
  local listed answered
  listed=$(cd "$work/both" && node node_modules/.bin/mcp-inspector --cli "${@:3}" --method tools/list 2>>"$work/log") || listed=
  answered=$(cd "$work/both" && node node_modules/.bin/mcp-inspector --cli "${@:3}" --method tools/call --tool-name generate \
    --tool-arg model=nova-lite 'messages=[{"role": "user", "content": "Say: good morning"}]' 2>>"$work/log") || answered=
  if [[ $listed == *'"list_models"'* && $answered == *"$2"* ]]; then
    echo "ok  Inspector $INSPECTOR, $1"
  else
    failed=1
    echo "NOT ok  Inspector $INSPECTOR, $1: ${answered:0:500}"
  fi
}
echo "== the Inspector's command line"
inspector /mcp "good morning" "$gateway" --transport http
inspector /sse "good morning" "${gateway%/mcp}/sse" --transport sse
inspector stdio "good morning" -e "PYTHONPATH=$checkout" \
  -e "AWS_ENDPOINT_URL_BEDROCK_RUNTIME=$AWS_ENDPOINT_URL_BEDROCK_RUNTIME" -e AWS_ACCESS_KEY_ID=sandbox \
  -e AWS_SECRET_ACCESS_KEY=sandbox "$python" -m src.server

echo "== TypeScript clients"
(cd both && LOG_LEVEL=ERROR node "$here/typescript_clients.mjs" "$gateway" -- "$python" -m src.server) || failed=1

if [ $failed = 0 ]; then echo "conformance: all that applies passes"; else echo "conformance: something failed, see above" >&2; fi
exit $failed
