# One measured run: consumers follow, producers warm up, producers are measured while /proc and the line are read once a second.
# Sourced by nic-saturation.
#
# What a window's bytes are divided by must be what happened in the window, so before and after it everything is quiet for a moment:
# the counters are read when nothing is under way, and the rates come from the whole seconds in between.
# shellcheck shell=bash disable=SC2154  # nic-saturation sets what is not set here

# on HOST ARGS...: the load tool on that host, in place of this (sub)shell, so that its pid is the tool's.
on() {
  local host=$1
  shift
  if [ -n "$interface" ]; then
    exec "$bench" agent-run --agent "${agent_of[$host]}" -- "$@"
  fi
  exec ip netns exec "$(host_space "$host")" taskset -c "$load_cores" "$bench" "$@"
}

# The one place that knows how the load is asked for; produce_figures of lib.sh knows how it answers.
load() {
  local host=$1 duration=$2
  shift 2
  on "$host" produce --quiet --broker "$address" --topic "$topic" --queues "$queues" --connections "$threads" --in-flight 1 --body "$body" \
    --header "$header" --seconds "$duration" "$@"
}

# CPU time of a process so far, all of its threads, in ms.
process_time() {
  awk '{ sub(/.*\) /, ""); print ($12 + $13) * 10 }' "/proc/$1/stat" 2>/dev/null || echo 0
}

# core_times CORES: what these cores did so far, in ms: ran processes, handled interrupts, idled. A core that another guest of the
# hypervisor took ("steal") ran processes, only not ours.
core_times() {
  awk -v list="$1" '
    BEGIN { n = split(list, parts, ","); for (i = 1; i <= n; i++) { split(parts[i] "-" parts[i], ends, "-"); for (c = ends[1]; c <= ends[2]; c++) ours["cpu" c] } }
    $1 in ours { ran += $2 + $3 + $4 + $9; interrupts += $7 + $8; idle += $5 + $6 }
    END { print ran * 10, interrupts * 10, idle * 10 }' /proc/stat
}

thread_times() {
  local task
  for task in /proc/"$1"/task/*; do
    echo "${task##*/} $(cut -d' ' -f1 "$task/schedstat" 2>/dev/null) $(tr ' ' '_' < "$task/comm" 2>/dev/null)"
  done
}

# counts HOST, for hosts whose line can be seen from here: all of the emulated ones, the broker's interface of real ones.
counts() {
  if [ -z "$interface" ]; then
    line_counts "$1"
  elif [ "$1" = broker ]; then
    (cd "/sys/class/net/$interface/statistics" && cat tx_bytes tx_packets rx_bytes rx_packets) | tr '\n' ' '
  fi
}

# sample BROKER_PID LOAD_PID...: a line now and then each second: time in ms, the broker's line (4 numbers), CPU of the broker and of
# the load, the broker's cores and the load's (3 each).
sample() {
  local broker_pid=$1 pid ran
  shift
  while :; do
    ran=0
    for pid in "$@"; do ran=$((ran + $(process_time "$pid"))); done
    echo "$(($(date +%s%N) / 1000000)) $(counts broker) $(process_time "$broker_pid") $ran $(core_times "$broker_cores") $(core_times "$load_cores")"
    sleep 1
  done
}

# All hosts' counters as facts for the report: flow WHEN HOST FROM_BYTES FROM_FRAMES TO_BYTES TO_FRAMES.
flows() {
  local host
  for host in "${hosts[@]}"; do echo "flow $1 $host $(counts "$host")"; done
}

# All consumers' counts so far: pulled WHEN MESSAGES BYTES PULLS. Before the first line all are 0.
pulled() {
  local host
  for host in "${consumers[@]}"; do
    echo "pulled $1 $(sed -nE 's/.*So far: ([0-9]+) messages ([0-9]+) bytes ([0-9]+) pulls.*/\1 \2 \3/p' "$work/$host.out" | tail -1)"
  done
}

producers_start() { # DURATION SUFFIX: both producers at once; leaves their pids in producing
  producing=()
  local host
  for host in "${producers[@]}"; do
    (load "$host" "$1") > "$work/$host.$2" 2> "$work/$host.$2.err" &
    producing+=($!)
  done
}

producers_wait() { # SUFFIX
  local i
  for i in "${!producing[@]}"; do
    wait "${producing[i]}" || { cat "$work/${producers[i]}.$1" "$work/${producers[i]}.$1.err" >&2; fail "${producers[i]}: the load failed; its output stands above"; }
  done
  producing=()
}

# run NAME ADDRESS BROKER_PID: with $queues queues; leaves the facts in $work/facts, the samples in $work/samples.
run() {
  local broker_pid=$3 i sampler
  address=$2 topic=Nic$queues
  (load producer1 5 --count 160) > "$work/create" 2>&1 || { cat "$work/create" >&2; fail "the first sends failed; their output stands above"; }
  following=()
  for i in "${!consumers[@]}"; do
    (on "${consumers[i]}" consume --from last --commit --no-check --broker "$address" --topic "$topic" --header "$header" \
      --seconds $((warmup + seconds + 60)) --queues "$queues" --only-queues "$(seq -s, "$i" "${#consumers[@]}" $((queues - 1)))") > "$work/${consumers[i]}.out" 2> "$work/${consumers[i]}.err" &
    following+=($!)
  done
  if [ "$warmup" != 0 ]; then
    producers_start "$warmup" warm
    producers_wait warm
  fi
  sleep 1.5
  { thread_times "$broker_pid" | sed 's/^/thread before /'; flows before; pulled before; echo "broker before $(process_time "$broker_pid")"; } > "$work/facts"
  producers_start "$seconds" out
  sample "$broker_pid" "${producing[@]}" "${following[@]}" > "$work/samples" &
  sampler=$!
  children+=("$sampler")
  producers_wait out
  kill "$sampler"
  wait "$sampler" 2>/dev/null || true
  { echo "broker after $(process_time "$broker_pid")"; thread_times "$broker_pid" | sed 's/^/thread after /'; } >> "$work/facts"
  sleep 1.5
  { flows after; pulled after; } >> "$work/facts"
  for i in "${!following[@]}"; do
    kill "${following[i]}" 2>/dev/null || { cat "$work/${consumers[i]}.err" >&2; fail "${consumers[i]} ended early; its output stands above"; }
    wait "${following[i]}" 2>/dev/null || true
  done
  following=()
  for i in "${producers[@]}"; do echo "producer $(produce_figures < "$work/$i.out")" >> "$work/facts"; done
  # A remote load's CPU is not in our /proc: its agent tells at the end.
  sed -nE 's/^agent: .* CPU ([0-9]+) % .*/remote \1/p' "$work"/producer?.out.err >> "$work/facts"
}
