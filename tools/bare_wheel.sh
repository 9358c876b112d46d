#!/bin/sh
# Install the wheel alone into a new environment, without extras, and run the commands that need none.
#   sh tools/bare_wheel.sh PYTHON_PROGRAM [CONSTRAINTS]
# Everything happens in a temporary folder; the environment is removed at the end.
set -eu

python=$1
constraints=${2:-}
root=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

"$python" -m venv "$place/venv"
pip="$place/venv/bin/python -m pip --disable-pip-version-check"
mkdir "$place/source"  # a build leaves files behind, and finds those of an earlier one
tar -C "$root" --exclude='./.*' --exclude=./build --exclude='*.egg-info' --exclude=__pycache__ -c . |
    tar -C "$place/source" -x
$pip wheel --quiet --no-deps --wheel-dir "$place/wheel" "$place/source"
$pip install --quiet ${constraints:+--constraint "$root/$constraints"} "$place"/wheel/*.whl

cd "$place"
export PATH="$place/venv/bin:$PATH"
spiketrack doctor || true  # says what is missing: extras, Lava
spiketrack-export nano --out ex
spiketrack simulate ex --backend integer --frames 3 --out run
spiketrack simulate ex --backend chip --frames 1 --out chip
spiketrack verify ex --checkpoint nano --backends float,integer,inline,chip --frames 2 --json verify.json
spiketrack energy run --json energy.json > /dev/null
spiketrack map ex --run run --json map.json > /dev/null
spiketrack report run --verify verify.json --map map.json --out report.html
if spiketrack simulate ex --backend lava --frames 1 --out lava 2> error; then
    echo "Lava is not installed, yet a run on it ended well" >&2
    exit 1
fi
cat error
echo "$("$place/venv/bin/python" --version): the wheel alone exports, simulates, verifies and reports"
