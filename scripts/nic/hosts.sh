# Emulated hosts: a network namespace each, joined by a bridge that has a namespace of its own, so that nothing appears on the
# real host's network and deleting the namespaces removes everything. Sourced by nic-saturation.
#
# A line is a veth pair with the same token bucket at both ends: full duplex, and one direction cannot take from the other.
# The bucket counts bytes of layer 2, of GSO packets too: a full frame of 1,514 bytes takes 1,538 on the wire (preamble, FCS, gap), so
# the rate is N x 1514/1538, and TCP's payload is 1,448 of the 1,538. Frames that are not full get up to 1 % more than on a wire.
# shellcheck shell=bash disable=SC2154  # nic-saturation sets what is not set here

net=10.77.0        # addresses exist in our namespaces only
host_names=()      # index = host number - 1

host_space() { echo "$run_name-$1"; }

# host_make NAME: the next host; its address is $net.NUMBER and its interface "line".
host_make() {
  local name=$1 space number
  space=$(host_space "$name")
  host_names+=("$name")
  number=${#host_names[@]}
  ip netns add "$space"
  ip link add line netns "$space" type veth peer name "$name" netns "$(host_space switch)"
  ip -n "$(host_space switch)" link set "$name" master bridge up
  ip -n "$space" link set lo up
  ip -n "$space" addr add "$net.$number/24" dev line
  ip -n "$space" link set line up
  # A namespace starts with the kernel's default. Not bbr, which paces by itself: a kernel that does not allow cubic here allows reno.
  ip netns exec "$space" sysctl -qw net.ipv4.tcp_congestion_control=cubic 2>/dev/null ||
    ip netns exec "$space" sysctl -qw net.ipv4.tcp_congestion_control=reno
  tc -n "$space" qdisc replace dev line root tbf rate "${rate_kbit}kbit" burst "$burst" latency 20ms
  tc -n "$(host_space switch)" qdisc replace dev "$name" root tbf rate "${rate_kbit}kbit" burst "$burst" latency 20ms
}

host_address() {
  local i
  for i in "${!host_names[@]}"; do [ "${host_names[i]}" != "$1" ] || echo "$net.$((i + 1))"; done
}

# hosts_make MBIT NAME...
hosts_make() {
  rate_kbit=$(($1 * 1000 * 1514 / 1538))
  # A bucket holds a whole GSO packet, and 2 ms of the line when that is more.
  burst=$(($1 * 250 > 65536 ? $1 * 250 : 65536))
  shift
  ip netns add "$(host_space switch)"
  ip -n "$(host_space switch)" link add bridge type bridge
  ip -n "$(host_space switch)" link set bridge up
  local name
  for name in "$@"; do host_make "$name"; done
}

# Ends what still runs in our namespaces (all of it was started there by us), then removes them.
hosts_remove() {
  local name pid
  for name in "${host_names[@]}" switch; do
    for pid in $(ip netns pids "$(host_space "$name")" 2>/dev/null); do kill -9 "$pid" 2>/dev/null || true; done
    ip netns del "$(host_space "$name")" 2>/dev/null || true
  done
  host_names=()
}

# line_counts NAME: bytes and frames that left the host over its line so far, then those that came to it. The shaper's own counters:
# an interface counts a GSO packet as one frame with one header, these count what stands on the wire.
line_counts() {
  tc -n "$(host_space "$1")" -s qdisc show dev line | awk '/Sent/ { printf "%s %s ", $2, $4; exit }'
  tc -n "$(host_space switch)" -s qdisc show dev "$1" | awk '/Sent/ { print $2, $4; exit }'
}

# goodput [-R]: Mbit/s of payload from producer1 to the broker, or back; several streams, for one that loses a packet halves.
goodput() {
  ip netns exec "$(host_space producer1)" taskset -c "$load_cores" iperf3 -c "$(host_address broker)" -t 2 -O 1 -P 4 -f k "$@" \
    > "$work/iperf3.client" 2>&1 || { cat "$work/iperf3.client" >&2; fail "iperf3 failed; its output stands above"; }
  awk '/SUM.*receiver/ { for (i = 2; i <= NF; i++) if ($i == "Kbits/sec") printf "%.1f", $(i - 1) / 1000 }' "$work/iperf3.client"
}

# calibrate MBIT: TCP's goodput over the broker's line each way, left in goodput_to and goodput_from; fails when it is not what the
# arithmetic says, for then nothing measured on this line means what it seems to. A busy machine gets three chances.
calibrate() {
  local expected way flag server try got
  expected=$(awk -v n="$1" 'BEGIN { printf "%.1f", n * 1448 / 1538 }')
  : > "$work/iperf3.server"
  ip netns exec "$(host_space broker)" taskset -c "$broker_cores" iperf3 -s --forceflush > "$work/iperf3.server" 2>&1 &
  server=$!
  children+=("$server")
  wait_for_line "$work/iperf3.server" "Server listening" 5 "$server"
  for way in "to" "from"; do
    flag=()
    [ "$way" = "to" ] || flag=(-R)
    for try in 1 2 3; do
      got=$(goodput "${flag[@]}")
      note "calibrated $way the broker: $got Mbit/s of payload, expected $expected"
      awk -v got="$got" -v expected="$expected" 'BEGIN { off = got / expected - 1; exit off > 0.02 || off < -0.02 }' && break
      [ "$try" -lt 3 ] || fail "the line $way the broker carries $got Mbit/s and not $expected: wait until the machine is quieter, or use a smaller --mbit"
    done
    printf -v "goodput_$way" '%s' "$got"
  done
  kill "$server"
  wait "$server" 2>/dev/null || true
}
