# shellcheck shell=bash
# What the scripts share: where things are, and how a missing tool is come by.
# Sourced, never run.

# shellcheck disable=SC2034 # used by those that source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Tools that are built from source are kept beside cargo's and Go's own caches, so that a fresh
# clone does not build them again.
tools=${XDG_CACHE_HOME:-$HOME/.cache}/cloud-portfolio
mkdir -p "$tools/bin"

say() { printf '== %s\n' "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# Whether a package may be installed.
may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# install_package PACKAGE WHAT: Debian's PACKAGE, for WHAT.
install_package() {
  say "installing Debian's $1, for $2"
  [ -n "${apt_updated:-}" ] || apt-get update -qq
  apt_updated=1
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

# need COMMAND PACKAGE: installs Debian's PACKAGE when COMMAND is missing and it may; else says
# the one command to type.
need() {
  local command=$1 package=$2
  command -v "$command" >/dev/null && return
  if may_install; then install_package "$package" "$command"; fi
  command -v "$command" >/dev/null || die "$command is missing. Type: sudo apt-get install $package"
}

# install_browser_tools: Chromium, Node and the packages that tests/browser pins.
install_browser_tools() {
  local folder=$root/tests/browser
  need chromium chromium
  need node nodejs
  need npm npm
  [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] ||
    die "Node 20 or newer is missing. See nodejs.org/en/download"
  # Only when what is pinned has changed: npm then needs the registry.
  if ! cmp -s "$folder/package-lock.json" "$folder/node_modules/.pinned"; then
    say "installing the packages of tests/browser"
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel error
    cp "$folder/package-lock.json" "$folder/node_modules/.pinned"
  fi
}


# usage: prints the comment at the top of the script that calls it.
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_ready URL SECONDS [PID]: waits until URL answers with a success. Fails when it has not by then,
# or when the process of PID has ended.
wait_ready() {
  local until=$((SECONDS + $2))
  while [ "$SECONDS" -le "$until" ]; do
    curl --silent --fail --max-time 2 --noproxy '*' --output /dev/null "$1" && return
    [ -z "${3:-}" ] || kill -0 "$3" 2>/dev/null || return
    sleep 0.1
  done
  return 1
}

# end_process PID: asks it to end, and after 10 s does not ask any more. It may have ended by itself.
end_process() {
  kill "$1" 2>/dev/null || return 0
  for _ in $(seq 100); do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -9 "$1" 2>/dev/null || true
}

# python_with FILE [OPTION...]: a Python with the packages that FILE pins, made when they change by
# pip with these options; its folder of programs.
python_with() {
  local venv
  venv=$tools/python-$(sha256sum "$1" | cut -c1-12)
  need python3 python3 >&2
  # Of two runs one makes it. Its callers are in $(…), where nothing fails by itself.
  (
    flock 9
    [ ! -f "$venv/complete" ] || exit 0
    say "installing the packages of ${1#"$root/"}"
    if ! python3 -c 'import ensurepip' 2>/dev/null; then
      may_install || die "Python's venv is missing. Type: sudo apt-get install python3-venv"
      install_package python3-venv "virtual environments"
    fi
    rm -rf "$venv" && python3 -m venv "$venv" &&
      "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$@" &&
      touch "$venv/complete" || die "the packages of ${1#"$root/"} could not be installed"
  ) 9>"$venv.lock" >&2 || return
  echo "$venv/bin"
}
