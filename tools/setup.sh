#!/bin/sh
# Make a virtual environment and install the project into it, Lava included.
#   sh tools/setup.sh VENV [EXTRA]
# PYTHON=3.11 (or a program) chooses the interpreter; without it the newest supported one is taken.
# CONSTRAINTS=constraints/oldest.txt holds packages to other releases.
# Candidates are tried by running them: a pyenv shim can exist and fail.
set -eu

venv=$1
extra=${2:-}
versions="3.13 3.12 3.11 3.10"
lava=0.10.0

version_of() {
    "$@" -c 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

supported() {
    case " $versions " in *" $1 "*) [ -n "$1" ] ;; *) return 1 ;; esac
}

candidates() {
    echo "python$1"
    ls -d "$HOME"/.pyenv/versions/"$1"*/bin/python 2>/dev/null || true
    echo "/opt/python$1/bin/python$1"
    echo "/usr/local/bin/python$1"
    echo python3
    echo python
    if command -v uv >/dev/null 2>&1; then
        uv python find "$1" 2>/dev/null || true
    fi
}

# Prints a program that runs as Python $1.
find_version() {
    candidates "$1" | while read -r candidate; do
        if [ "$(version_of "$candidate")" = "$1" ]; then
            echo "$candidate"
            break
        fi
    done
}

find_python() {
    for version in ${1:-$versions}; do
        found=$(find_version "$version")
        if [ -n "$found" ]; then
            echo "$found"
            return
        fi
    done
    if command -v uv >/dev/null 2>&1; then
        version=${1:-${versions%% *}}
        uv python install "$version" >/dev/null 2>&1 || true
        find_version "$version"
    fi
}

wanted=${PYTHON:-}
case $wanted in
    "" | 3.*) ;;
    python3.*) wanted=${wanted#python} ;;
    *)
        program=$wanted
        wanted=$(version_of "$program")
        supported "$wanted" || { echo "PYTHON=$program: no working Python of $versions." >&2; exit 1; }
        ;;
esac

here=""
[ -x "$venv/bin/python" ] && here=$(version_of "$venv/bin/python")
if ! supported "$here" || { [ -n "$wanted" ] && [ "$here" != "$wanted" ]; }; then
    python=${program:-$(find_python "$wanted")}
    if [ -z "$python" ]; then
        echo "No working Python ${wanted:-of $versions} with venv was found." >&2
        echo "Install one of: 'uv python install 3.13', 'pyenv install 3.13'," >&2
        echo "'conda create -n py313 python=3.13', or your system's python3 with its venv." >&2
        exit 1
    fi
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
version=$(version_of "$venv/bin/python")
constraints=${CONSTRAINTS:-constraints/python$version.txt}

install() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

# A CPU build of torch is smaller by gigabytes; it is taken where one of pip's sources has it.
torch=$(sed -n 's/^torch==//p' "$constraints")
if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
    install --constraint "$constraints" "torch==$torch+cpu" 2>/dev/null || echo \
        "No CPU build of torch $torch among pip's sources: the default build may take gigabytes."
fi

# Unchanged requirements are not asked for again.
install --constraint "$constraints" --editable ".[lava${extra:+,$extra}]"
# lava-nc forbids itself on newer Pythons, where it runs (deploy/lava/loading.py)
"$venv/bin/python" -c "from importlib.metadata import version; assert version('lava-nc') == '$lava'" \
    2>/dev/null || install --no-deps --ignore-requires-python "lava-nc==$lava"
echo "$venv: Python $version"
