#!/usr/bin/env bash
# Makes docs/pictures/answer.png: the demo pictures beside what the program really answers about them.
# A wrong answer is shown as it comes.
# Needs build/release/bin/minicpmv and rsvg-convert (librsvg2-bin).
set -euo pipefail
cd "$(dirname "$0")/../.."
program=${PROGRAM:-build/release/bin/minicpmv}
picture=docs/pictures/demo.png
word=docs/pictures/word.png
questions=("What is in the picture?" "Is there a rabbit?" "What color is the background?" "How many guitars are there?")

escape() { sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'; }
line() {  # Y CLASS TEXT
  printf '<text x="384" y="%d" class="%s" xml:space="preserve">%s</text>\n' "$1" "$2" "$(escape <<<"$3")"
}
ask() { "$program" ask "$@" 2>/dev/null; }
embed() {  # Y HEIGHT FILE
  printf '<image x="18" y="%d" width="336" height="%d" xlink:href="data:image/png;base64,%s"/>\n' \
    "$1" "$2" "$(base64 -w0 "$3")"
}
svg=$(mktemp --suffix=.svg)
trap 'rm -f "$svg"' EXIT
if [ ! -f "$word" ]; then
  rsvg-convert -o "$word" <<'END'
<svg xmlns="http://www.w3.org/2000/svg" width="336" height="84"><rect width="336" height="84" fill="#ffffff"/>
<text x="168" y="61" text-anchor="middle" font-family="Roboto" font-size="70" fill="#202020">kitchen</text></svg>
END
fi
{
  cat <<'END'
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="1040" height="474">
<style>text{font-family:"DejaVu Sans Mono",monospace;font-size:16px;fill:#d8dee9}
.prompt{fill:#88c0d0}.answer{fill:#ffffff;font-weight:bold}</style>
<rect width="1040" height="474" rx="10" fill="#20242c"/>
END
  embed 18 336 "$picture"
  embed 372 84 "$word"
  y=44
  for question in "${questions[@]}"; do
    line $y prompt "\$ minicpmv ask demo.png \"$question\""
    line $((y + 26)) answer "$(ask "$picture" "$question")"
    y=$((y + 66))
  done
  line 404 prompt "\$ minicpmv ask word.png \"What does it say?\""
  line 430 answer "$(ask "$word" "What does it say?")"
  seconds=$( { TIMEFORMAT=%R; time "$program" ask "$picture" "${questions[0]}" >/dev/null 2>&1; } 2>&1)
  line $((y + 10)) prompt "$seconds s from start to end, offline, two CPU cores"
  echo '</svg>'
} >"$svg"
rsvg-convert "$svg" -o docs/pictures/answer.png
