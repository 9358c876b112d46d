#!/bin/sh
# Make a virtual environment with Python 3.10 and install the project into it.
#   sh tools/setup.sh VENV [EXTRA]
# Candidates are tried by running them: a pyenv shim can exist and fail.
set -eu

venv=$1
extra=${2:-}

is_310() {
    "$@" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 10))' >/dev/null 2>&1
}

find_python() {
    for candidate in python3.10 "$HOME"/.pyenv/versions/3.10*/bin/python \
        /opt/python3.10/bin/python3.10 /usr/local/bin/python3.10 python3 python; do
        if is_310 "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    if command -v uv >/dev/null 2>&1; then
        candidate=$(uv python find 3.10 2>/dev/null || true)
        if [ -z "$candidate" ] && uv python install 3.10 >/dev/null 2>&1; then
            candidate=$(uv python find 3.10 2>/dev/null || true)
        fi
        if [ -n "$candidate" ] && is_310 "$candidate"; then
            echo "$candidate"
            return
        fi
    fi
}

if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' 2>/dev/null; then
    python=$(find_python)
    if [ -z "$python" ]; then
        echo "No working Python 3.10 was found, and Lava runs on no other version." >&2
        echo "Install one of: 'uv python install 3.10', 'pyenv install 3.10'," >&2
        echo "'conda create -n py310 python=3.10', or your system's python3.10 with venv." >&2
        exit 1
    fi
    echo "Python: $python"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

# Unchanged requirements are not asked for again.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable ".${extra:+[$extra]}"
