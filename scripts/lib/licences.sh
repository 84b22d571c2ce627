# shellcheck shell=bash
# Gathers the licences of what is linked into a program. Sourced, from the repository's root.

# licences PACKAGE TO: the licences of the Go modules that are in a program.
licences() {
  local path dir
  go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}' "$1" | sort -u |
    while read -r path dir; do licences_in "$dir" "$2/$path"; done
}

# crates: name, version, licence and folder of every crate in the tokenizers library.
crates() {
  (cd var/build/tokenizers && cargo tree --quiet --locked -p tokenizers-ffi -e normal,no-proc-macro --prefix none --format '{p}|{l}') |
    sed -n 's/ (proc-macro)//; s/ (\*)//; s/^\([^ ]*\) v\([^ |]*\)[^|]*|\(.*\)$/\1 \2 \3/p' | sort -u |
    while read -r name version licence; do
      printf '%s\t%s\t%s\n' "$name" "$version" "$licence"
    done
}

# crate_licences TO: the licences of those crates.
crate_licences() {
  local name version licence dir
  crates | while IFS=$'\t' read -r name version licence; do
    for dir in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$name-$version"; do licences_in "$dir" "$1/$name"; done
  done
}

# page_licences TO: the licences of what is in the pages that the server has inside.
page_licences() {
  install -D -m 0644 -t "$1" playground/assets/app/LICENSES.txt playground/assets/docs/*LICENSE* playground/assets/docs/*NOTICE*
}

# licences_in FOLDER TO: the files of a folder that are licences or notices.
licences_in() {
  local file
  for file in "$1"/LICEN[CS]E* "$1"/COPYING* "$1"/NOTICE* "$1"/COPYRIGHT* "$1"/UNLICENSE*; do
    [ -f "$file" ] || continue
    mkdir -p "$2" && install -m 0644 "$file" "$2/$(basename "$file")"
  done
}
