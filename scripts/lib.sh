# Shared by the scripts: say what happens, install what is missing, find the cargo and the binary.
# Sourced, never run. shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
note() { printf '   %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# need COMMAND PACKAGE: installs the Debian/Ubuntu package when the command is missing.
need() {
  command -v "$1" >/dev/null 2>&1 && return
  local sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo"
  command -v apt-get >/dev/null 2>&1 || fail "$1 is missing and this is no Debian/Ubuntu: install $1 and run this again"
  note "$1 is missing: installing the package $2"
  [ -n "${apt_updated:-}" ] || { $sudo apt-get -qq update; apt_updated=1; }
  DEBIAN_FRONTEND=noninteractive $sudo apt-get -qq -y install --no-install-recommends "$2" >/dev/null ||
    fail "could not install $2: run '$sudo apt-get install $2' and look at what it says"
}

# The Rust toolchain itself is asked for, not installed: people have opinions about it.
need_rust() {
  [ -n "${CARGO_HOME:-}" ] || export PATH="$HOME/.cargo/bin:$PATH"
  command -v cargo >/dev/null 2>&1 || fail "cargo is missing: install a Rust toolchain (1.92 or newer) from rustup or your distribution"
  need cc gcc
}

# build_programs OPTIONS: the node and the load tools in one go. Built one after the other, each would want its own features
# of the crates that they share, and all of those would be built twice.
build_programs() { cargo build --workspace --bins "$@"; }

# A TCP port of the loopback interface that nobody listens on, together with the two below it (the VIP port is port - 2).
# Below 32768, from where on the kernel gives clients theirs: one of those may be free to a look and taken when the node binds it.
free_port() {
  local port
  for _ in $(seq 200); do
    port=$((20002 + RANDOM % 12000))
    for offset in 0 1 2; do
      (exec 3<>"/dev/tcp/127.0.0.1/$((port - offset))") 2>/dev/null && continue 2
    done
    echo "$port"
    return
  done
  fail "found no free port between 20000 and 32000"
}

# wait_for_line FILE TEXT SECONDS PID: until the text stands in the file; fails when the process ends or time runs out.
wait_for_line() {
  local deadline=$((SECONDS + $3))
  until grep -q -- "$2" "$1" 2>/dev/null; do
    kill -0 "$4" 2>/dev/null || { cat "$1" >&2; fail "the node ended before it was ready; its output stands above"; }
    [ $SECONDS -lt $deadline ] || { cat "$1" >&2; fail "not ready after $3 s; its output stands above"; }
    sleep 0.02
  done
}

# produce_figures: what `produce` printed, on standard input, as "messages messages/s p50 p99 p99.9 failed", times in ms.
produce_figures() {
  awk '
    /^produce: [0-9]+ messages in/ { count = $2; rate = $7; failed = $11 }
    /^ produce: send / { p50 = $3; p99 = $5; p999 = $6 }
    END { if (count == "" || p50 == "") exit 1; print count, rate, p50, p99, p999, failed }'
}

# produced ARGS...: one run of `$bench produce`, and its figures as above.
produced() { "$bench" produce --quiet "$@" | produce_figures; }

# Nanoseconds that all threads of a process have run, from the scheduler: ticks of 10 ms would be too coarse.
ran() { cat /proc/"$1"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f", sum }'; }

# middle: the median of the numbers on standard input, one in a line.
middle() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
