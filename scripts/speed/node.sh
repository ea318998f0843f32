# Shared by the scripts of this folder: one node on core 0, the load on core 1, all of it gone at the end.
# Sourced, never run. shellcheck shell=bash

. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
cd "$root" || exit 1
need_rust
say "building"
build_programs --release
bin=${CARGO_TARGET_DIR:-$root/target}/release
# shellcheck disable=SC2034  # `produced` of lib.sh uses it
bench=$bin/ringmq-bench
work=$(mktemp -d "${TMPDIR:-/tmp}/speed.XXXXXX")
nodes=()
cleanup() {
  [ ${#nodes[@]} -eq 0 ] || kill "${nodes[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# node NAME CORES ARGS...: starts one in $work/NAME on these cores; sets `pid` and `broker`.
node() {
  local name=$1 cores=$2
  shift 2
  local port
  port=$(free_port)
  broker=127.0.0.1:$port
  # What an earlier node of this name said is not this one's.
  rm -f "$work/$name.log"
  taskset -c "$cores" "$bin/ringmq" serve --data "$work/$name" --namesrv-port "$((port - 10))" --broker-port "$port" --cores "$cores" \
    --set brokerIP1=127.0.0.1 "$@" > "$work/$name.log" 2>&1 &
  pid=$!
  nodes+=("$pid")
  wait_for_line "$work/$name.log" "boot success" 60 "$pid"
}

# stop PID: as an operator does, and waits.
stop() {
  kill "$1"
  wait "$1" || true
}

host_line() { note "$(uname -n), Linux $(uname -r), $(nproc) cores, load average $(cut -d' ' -f1-3 /proc/loadavg), $(date -u +%FT%TZ)"; }
