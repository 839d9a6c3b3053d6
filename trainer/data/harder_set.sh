#!/bin/sh
# Fills FOLDER with the things of the training pictures in another design: OpenMoji (CC BY-SA 4.0,
# https://openmoji.org), from its npm package, drawn to PNG. Nothing of it is committed or trained on;
# `--harder-emoji FOLDER` reads it for the harder evaluation set.
#
#   trainer/data/harder_set.sh build/openmoji
#
# Needs npm and rsvg-convert (Debian: npm, librsvg2-bin).
set -eu

version=17.0.0
pixels=144

if [ $# -ne 1 ]; then
  echo "usage: $0 FOLDER" >&2
  exit 2
fi
for program in npm rsvg-convert; do
  command -v "$program" >/dev/null || { echo "$0: needs $program" >&2; exit 1; }
done

mkdir -p "$1"
out=$(cd "$1" && pwd)
things=$(cd "$(dirname "$0")" && pwd)/things.cc
package=$(mktemp -d)
trap 'rm -rf "$package"' EXIT

cd "$package"
npm pack --silent "openmoji@$version" >/dev/null
tar xzf "openmoji-$version.tgz" package/color/svg

# The code points are those of the table in things.cc.
count=0
for code in $(sed -n '/kEmoji\[\]/,/^};/p' "$things" | grep -o '{0x[0-9A-F]*' | cut -c4-); do
  rsvg-convert -w "$pixels" -h "$pixels" "package/color/svg/$code.svg" -o "$out/$code.png"
  count=$((count + 1))
done
echo "$out: $count pictures"
