# Facts and samples of one run in, the report out; its last lines start with "verdict" and "csv". Run by nic-saturation with
#   -v header= -v threads= -v line_to= -v line_from= (bytes/s the calibrated line carries)
# The files: facts (what was counted before and after the window), samples (a line a second within it).

function median(values, n,   i, j, swap) {
  for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (values[j] < values[i]) { swap = values[i]; values[i] = values[j]; values[j] = swap }
  return n ? (values[int((n + 1) / 2)] + values[int((n + 2) / 2)]) / 2 : 0
}

# 66 of a frame's bytes are Ethernet, IP and TCP with timestamps; what is left is what the broker and its clients wrote.
function row(what, bytes, frames, n, expected) {
  if (n) printf "   %-32s %9.0f %9.0f %9s %8.2f\n", what, bytes / n, (bytes - 66 * frames) / n, expected, frames / n
}

FILENAME ~ /facts$/ && $1 == "flow" {
  sign = $2 == "after" ? 1 : -1
  role = $3; sub(/[0-9]+$/, "", role)
  if (NF >= 7) { seen[role] = 1; from[role] += sign * $4; from_frames[role] += sign * $5; to[role] += sign * $6; to_frames[role] += sign * $7 }
}
FILENAME ~ /facts$/ && $1 == "pulled" { sign = $2 == "after" ? 1 : -1; pulled += sign * $3; records += sign * $4; pulls += sign * $5 }
FILENAME ~ /facts$/ && $1 == "broker" { sign = $2 == "after" ? 1 : -1; broker_ran += sign * $3 }
FILENAME ~ /facts$/ && $1 == "thread" { if ($2 == "after") { ran[$3] = $4 - before[$3]; name[$3] = $5; all += ran[$3] } else before[$3] = $4 }
FILENAME ~ /facts$/ && $1 == "remote" { if ($2 > load_cpu) load_cpu = $2; remote = 1 }
FILENAME ~ /facts$/ && $1 == "producer" {
  messages += $2; tps += $3; refused += $7
  if ($4 > p50) p50 = $4
  if ($5 > p99) p99 = $5
  if ($6 > p999) p999 = $6
}

# The first interval holds the start of the load, the last its end: the ones between count, unless the run is too short for that.
FILENAME ~ /samples$/ && NF == 13 {
  samples++
  if (samples > 1 && $1 > last[1]) {
    n++
    seconds = ($1 - last[1]) / 1000
    tx[n] = ($2 - last[2]) / seconds; rx[n] = ($4 - last[4]) / seconds
    # Shares of the cores' time, in %: the broker's, interrupts', nobody's; likewise the load's.
    all_broker = ($8 - last[8] + $9 - last[9] + $10 - last[10]) / 100; all_load = ($11 - last[11] + $12 - last[12] + $13 - last[13]) / 100
    cpu[n] = ($6 - last[6]) / all_broker; irq[n] = ($9 - last[9]) / all_broker; idle[n] = ($10 - last[10]) / all_broker
    lcpu[n] = ($7 - last[7]) / all_load; lirq[n] = ($12 - last[12]) / all_load; lidle[n] = ($13 - last[13]) / all_load
  }
  for (i = 1; i <= 13; i++) last[i] = $i
}

function inner(values,   i, picked, count) {
  for (i = n > 2 ? 2 : 1; i <= (n > 3 ? n - 1 : n); i++) picked[++count] = values[i]
  return median(picked, count)
}

# Medians of shares need not add up to 100.
function rest(a, b, c) { return a + b + c < 100 ? 100 - a - b - c : 0 }

END {
  if (!messages || !n) { print "error: no messages or no samples: look at the files of this run" > "/dev/stderr"; exit 1 }
  rx_rate = inner(rx); tx_rate = inner(tx)
  rx_busy = 100 * rx_rate / line_to; tx_busy = 100 * tx_rate / line_from
  broker_cpu = inner(cpu); broker_irq = inner(irq); broker_idle = inner(idle)
  broker_others = rest(broker_cpu, broker_irq, broker_idle)
  if (!remote) { load_cpu = inner(lcpu); load_irq = inner(lirq); load_idle = inner(lidle); load_others = rest(load_cpu, load_irq, load_idle) }
  json = header == "json"

  printf "   %d messages, %.0f messages/s; RT mean %.2f ms, p50 %.2f, p99 %.2f, p99.9 %.2f (the worse producer); refused %d\n",
    messages, tps, 2000 * threads / tps, p50, p99, p999, refused
  print "   bytes per message                  on line   payload  expected   frames"
  if (seen["producer"]) {
    row("send request      (broker rx)", from["producer"], from_frames["producer"], messages, json ? "880-920" : "720")
    row("send response     (broker tx)", to["producer"], to_frames["producer"], messages, json ? "200" : "110")
    row("pull requests     (broker rx)", from["consumer"], from_frames["consumer"], pulled, "")
    row("pulled            (broker tx)", to["consumer"], to_frames["consumer"], pulled, "710")
  }
  row("all of broker rx", to["broker"], to_frames["broker"], messages, "")
  row("all of broker tx", from["broker"], from_frames["broker"], messages, "")
  if (pulled) printf "   pulled %d messages (%+d of those sent), %.1f to a pull, bodies of %.0f bytes\n", pulled, pulled - messages, pulled / pulls, records / pulled
  printf "   a full line would be %.0f messages/s by rx and %.0f by tx\n", line_to * messages / to["broker"], line_from * messages / from["broker"]
  printf "   line: rx %.1f MB/s, %.1f %% busy; tx %.1f MB/s, %.1f %% busy\n", rx_rate / 1e6, rx_busy, tx_rate / 1e6, tx_busy
  core_us = 1000 * broker_ran / messages
  printf "   broker cores: %.0f %% the broker, %.0f %% interrupts, %.0f %% others, %.0f %% idle\n", broker_cpu, broker_irq, broker_others, broker_idle
  printf "   broker: %.2f core-microseconds per message, %.2f with its cores' interrupts; threads:", core_us, core_us * (1 + broker_irq / broker_cpu)
  for (shown = 0; shown < 3; shown++) {
    best = ""
    for (task in ran) if (best == "" || ran[task] > ran[best]) best = task
    if (best == "" || ran[best] < all / 100) break
    if (!shown) { busiest = name[best]; busy = 100 * ran[best] / all }
    printf "%s %s %.0f %%", shown ? "," : "", name[best], 100 * ran[best] / all
    delete ran[best]
  }
  if (remote) printf "\n   load: %.0f %% of a core (the busiest agent)\n", load_cpu
  else printf "\n   load cores: %.0f %% the load, %.0f %% interrupts, %.0f %% others, %.0f %% idle\n", load_cpu, load_irq, load_others, load_idle

  # A line is full from 95 %, cores when they idle for less than 5 %, a thread when it ran for 95 % of the time. Whose they were then decides, as a machine may be shared.
  if (rx_busy >= 95 && rx_busy >= tx_busy) verdict = sprintf("broker rx %.0f %% of the line", rx_busy)
  else if (tx_busy >= 95) verdict = sprintf("broker tx %.0f %% of the line", tx_busy)
  else if (broker_idle < 5 && broker_others < 10) verdict = sprintf("CPU of the broker, %.0f %%", 100 - broker_idle)
  else if (!remote && load_idle < 5 && load_others < 10) verdict = sprintf("client, %.0f %% of its CPU", 100 - load_idle)
  else if (remote && load_cpu >= 90) verdict = sprintf("client, %.0f %% of a core on the busiest agent", load_cpu)
  else if (broker_idle < 5) verdict = sprintf("CPU of the broker, of which others took %.0f %%: run it again on a quieter machine", broker_others)
  else if (!remote && load_idle < 5) verdict = sprintf("client, of whose CPU others took %.0f %%: run it again on a quieter machine", load_others)
  else if (busy >= 95) verdict = sprintf("CPU of the broker: its thread %s has run for %.0f %% of the time", busiest, busy)
  else verdict = sprintf("latency: nothing is full, %d sends in flight take %.2f ms each (disk sync, or switching between few cores)", 2 * threads, 2000 * threads / tps)
  verdict = "bottleneck: " verdict
  print "verdict " verdict
  printf "csv %.0f %.2f %.2f %.2f %.1f %.1f %.0f %.0f %.2f\n", tps, p50, p99, p999, rx_busy, tx_busy, broker_cpu, load_cpu, core_us
}
