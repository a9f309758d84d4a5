# shellcheck shell=bash
# Sourced by scripts/kafka, scripts/postgres and scripts/with-services: processes by their id, and loopback ports.
# Nothing here ever looks a process up by its name. Linux only: it reads /proc.

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# alive PID: the process exists and is no zombie (in a container nobody may collect a dead orphan).
alive() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }
    [[ ${stat:0:1} != [ZX] ]]
}

# owns PID TEXT: the process is alive and its command line holds TEXT. Guards against a process id used again.
owns() {
    alive "$1" && tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF -- "$2"
}

# working_in FOLDER: the ids of the processes whose working folder it is, one a line.
working_in() {
    find /proc -mindepth 2 -maxdepth 2 -name cwd -printf '%l\t%h\n' 2>/dev/null |
        FOLDER=$1 awk -F '\t' '$1 == ENVIRON["FOLDER"] { sub(".*/", "", $2); print $2 }' || true
}

# wait_gone SECONDS PID...: false when one of them is still alive after that time.
wait_gone() {
    local deadline=$((SECONDS + $1)) pid
    shift
    for pid; do
        while alive "$pid"; do
            ((SECONDS < deadline)) || return 1
            sleep 0.05
        done
    done
}

# end PID SECONDS: SIGTERM, that many seconds to obey, then SIGKILL.
end() {
    kill -TERM "$1" 2>/dev/null || true
    wait_gone "$2" "$1" && return
    kill -KILL "$1" 2>/dev/null || true
    wait_gone 10 "$1"
}

# free_port: a loopback port nobody listens on. Below 32768, so that no outgoing connection takes it
# while the service is down between a stop and the next start.
free_port() {
    local port try
    for try in {1..100}; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
    die "no free port between 20000 and 32000 in $try tries"
}
