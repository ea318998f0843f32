#!/bin/sh
# The four settings of the published RocketMQ benchmark's hosts, in one command:
#   vm.overcommit_memory=1  vm.max_map_count=655360  vm.swappiness=10  nofile 1000000
# Usage: sudo kernel-tuning/os.sh [apply|check|plan|script] [options of that command]; 'ringmq tune undo' takes it back.
# What RocketMQ's own os.sh does beyond them, and why it is not done here: the [[os_sh]] rows of settings.toml.
verb=apply
case ${1:-} in apply | check | plan | script) verb=$1; shift ;; esac
exec "$(dirname "$0")/tune" "$verb" --only overcommit,max-map-count,swappiness,nofile "$@"
