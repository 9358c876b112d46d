#!/bin/sh
# Make a virtual environment and install the project into it, Lava included.
#   sh tools/setup.sh VENV [EXTRA]
# PYTHON=3.11 (or a program) chooses the interpreter. Without it: the newest supported one for which
# a CPU build of torch can be had (the default build on Linux is larger by gigabytes); where there is
# none at all, or for the tests (EXTRA), the newest.
# TORCH=cuda takes the default build. CONSTRAINTS=constraints/oldest.txt holds packages to others.
# Candidates are tried by running them: a pyenv shim can exist and fail.
set -eu

venv=$1
extra=${2:-}
versions="3.13 3.12 3.11 3.10"
lava=0.10.0
small="1.7 GB"  # du -sh of such an environment
large="5.7 GB"
pytorch=https://download.pytorch.org/whl/cpu  # PyTorch's own index of CPU builds

version_of() {
    "$@" -c 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

supported() {
    case " $versions " in *" $1 "*) [ -n "$1" ] ;; *) return 1 ;; esac
}

# every folder of PATH: a shim that fails can stand before a Python that works
candidates() {
    echo "$PATH" | tr : '\n' | sed "s|\$|/python$1|"
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

if [ -n "$wanted" ] && ! supported "$wanted"; then
    echo "PYTHON=$PYTHON: choose one of $versions, or a program of these." >&2
    exit 1
fi

build=${TORCH:-cpu}
case $build in
    cpu | cuda) ;;
    *) echo "TORCH=$build: choose cpu or cuda." >&2; exit 1 ;;
esac

# Whether there is nothing at $venv that somebody else put there.
ours() {
    [ -e "$venv/.made-by-setup" ] || [ -e "$venv/.installed" ] || [ -e "$venv/.installed-test" ] ||
        [ -z "$(ls -A "$venv" 2>/dev/null)" ]
}

make_venv() {
    if ! ours; then
        echo "$venv: holds something that this script did not make: remove it, or name another" \
            "folder (VENV=DIR)." >&2
        exit 1
    fi
    rm -rf "$venv"
    mkdir -p "$venv"
    touch "$venv/.made-by-setup"
    "$1" -m venv "$venv"
    version=$(version_of "$venv/bin/python")
}

torch_of() {
    sed -n 's/^torch==//p' "${CONSTRAINTS:-constraints/python$1.txt}"
}

# Whether pip finds a CPU build of torch for Python $1, in its own sources or in those of $2.
# Nothing is installed; a source that does not answer is not waited for.
has_cpu_build() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --dry-run --no-deps \
        --retries 0 --timeout 10 --only-binary=:all: --python-version "$1" --target "$venv/none" \
        ${2:+--extra-index-url "$2"} "torch==$(torch_of "$1")+cpu" >/dev/null 2>&1
}

answers() {
    "$venv/bin/python" -c 'import sys, urllib.request
urllib.request.urlopen(sys.argv[1] + "/torch/", timeout=4).read(1)' "$1" >/dev/null 2>&1
}

# Sets index to what pip needs besides its own sources for a CPU build, or to "none".
look_for_cpu_build() {
    index=""
    has_cpu_build "$version" && return
    if answers "$pytorch" && has_cpu_build "$version" "$pytorch"; then
        index=$pytorch
        return
    fi
    index=none
}

# An older Python for which there is a CPU build is better than gigabytes.
take_older() {
    for older in $versions; do
        [ "$older" = "$version" ] && continue
        found=$(find_version "$older")
        if [ -n "$found" ] && has_cpu_build "$older"; then
            echo "Python $version is here too, but pip's sources have no CPU build of torch" \
                "$(torch_of "$version") for it: taking Python $older." \
                "PYTHON=$version takes that one, $large in all."
            make_venv "$found"
            index=""
            return
        fi
    done
}

here=""
# without pip: an environment whose making was interrupted
"$venv/bin/python" -m pip --version >/dev/null 2>&1 && here=$(version_of "$venv/bin/python")
if ! supported "$here" || { [ -n "$wanted" ] && [ "$here" != "$wanted" ]; }; then
    python=${program:-$(find_python "$wanted")}
    if [ -z "$python" ]; then
        echo "No working Python ${wanted:-of $versions} with venv was found." >&2
        echo "Install one of: 'uv python install 3.13', 'pyenv install 3.13'," >&2
        echo "'conda create -n py313 python=3.13', or your system's python3 with its venv." >&2
        exit 1
    fi
    echo "Making $venv with $(version_of "$python" | sed 's/^/Python /')."
    make_venv "$python"
    fresh=yes
fi
version=$(version_of "$venv/bin/python")
begin=$(date +%s)

index=none
if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
    if [ "$build" = cpu ]; then
        look_for_cpu_build
        if [ "$index" = none ] && [ -z "$wanted$extra" ] && [ -n "${fresh:-}" ]; then
            take_older
        fi
    fi
    torch=$(torch_of "$version")
    if [ "$index" = none ]; then
        size=$large
        what="torch $torch with CUDA's libraries"
        [ "$build" = cuda ] || echo "No CPU build of torch $torch for Python $version, neither among" \
            "pip's sources nor at $pytorch."
    else
        size=$small
        what="torch $torch for CPUs (TORCH=cuda: with CUDA, $large)"
    fi
    echo "Installing $what and all that stands on it: about $size on disk${extra:+, more for $extra};" \
        "a minute or two from a near index, as long as the download takes from a far one."
fi
constraints=${CONSTRAINTS:-constraints/python$version.txt}

# A person sees pip's own progress; a log gets a line a step.
quiet=--quiet
[ -t 1 ] && quiet=""

install() {
    "$venv/bin/python" -m pip install $quiet --disable-pip-version-check "$@"
}

step() {
    echo "$(($(date +%s) - begin)) s: $1"
}

if [ "$index" != none ]; then
    step "torch"
    install --constraint "$constraints" ${index:+--extra-index-url "$index"} "torch==$torch+cpu"
fi

# Unchanged requirements are not asked for again.
step "the other packages"
install --constraint "$constraints" --editable ".[lava${extra:+,$extra}]"
# lava-nc forbids itself on newer Pythons, where it runs (deploy/lava/loading.py)
"$venv/bin/python" -c "from importlib.metadata import version; assert version('lava-nc') == '$lava'" \
    2>/dev/null || install --no-deps --ignore-requires-python "lava-nc==$lava"
step "$venv is ready: Python $version, $(du -sh "$venv" | cut -f1)"
