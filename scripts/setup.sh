#!/usr/bin/env bash
# Make $VENV with the pinned dependencies and rayscaler itself. Called by the Makefile; safe to call again.
set -euo pipefail

PYTHON="${PYTHON:-python3}"
VENV="${VENV:-.venv}"
began=$SECONDS

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# A system package, if that is possible here without asking anybody. Never a reason to stop.
apt_install() {
    command -v apt-get >/dev/null || return 1
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
        root=(sudo -n)
    fi
    local get=("${root[@]}" env DEBIAN_FRONTEND=noninteractive timeout 600 apt-get -qq)
    "${get[@]}" update >/dev/null 2>&1 || true
    "${get[@]}" install -y --no-install-recommends "$@" >/dev/null 2>&1
}

command -v "$PYTHON" >/dev/null || fail "no '$PYTHON' here. Install Python 3.11 or newer, or name one: make PYTHON=python3.12"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$PYTHON" --version) is too old: rayscaler needs Python 3.11 or newer. Name another: make PYTHON=python3.12"

if ! "$VENV/bin/python" -c 'import pip' 2>/dev/null; then
    if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        echo "setup: '$PYTHON' cannot make virtual environments yet; installing python$version-venv"
        apt_install "python$version-venv" ||
            fail "the venv module is missing. Run 'sudo apt install python$version-venv' (Debian, Ubuntu), then make again"
    fi
    rm -rf "$VENV"
    "$PYTHON" -m venv "$VENV"
fi

pip=("$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt)
torch=$(grep '^torch==' constraints.txt)
echo "setup: installing $torch (the largest package)"
"${pip[@]}" ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} "$torch"
echo "setup: installing the other dependencies"
"${pip[@]}" -e '.[dev]'
# Its requirements pin NumPy 1 and the clients of a dozen vendors; its checkers need none of them.
"${pip[@]}" --no-deps bfcl-eval

# graph-tool is no pip package. It is the second engine of one stage, so its absence is only said, never an error.
if ! "$VENV/bin/python" -c 'import graph_tool' 2>/dev/null && ! /usr/bin/python3 -c 'import graph_tool' 2>/dev/null; then
    echo "setup: installing graph-tool with apt, for the second community engine"
    apt_install python3-graph-tool ||
        echo "setup: no graph-tool here; everything works without it, but 'engine: graph-tool' and its tests do not"
fi

echo "setup: done in $((SECONDS - began)) s"
