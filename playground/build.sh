#!/usr/bin/env bash
# Builds what the server serves into assets/, out of app/ and of the npm packages in
# package-lock.json, which `make playground` has put into node_modules: assets/app is the page at
# /playground, assets/docs the viewer at /docs. assets/checksums holds the checksum of everything
# that was read and made, so that a test without Node sees what does not fit.
#
# Usage: playground/build.sh [--check]
#   --check  build a copy in another folder, and compare it with assets/ byte for byte
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")"
PATH=$PWD/../var/node/bin:$PATH

# The settings that decide about the built files. Tests in app/ do not.
settings=(build.sh licences.ts package.json package-lock.json tsconfig.json vite.config.ts ../scripts/setup/requirements-node.txt)

sources() {
  printf '%s\n' "${settings[@]}"
  find app -type f ! -name '*.test.ts' ! -name '*.test.tsx' ! -path '*/testdata/*'
}

built() { find assets/app assets/docs -type f; }

# viewer: copies Swagger UI as npm has it.
viewer() {
  local from=node_modules/swagger-ui-dist
  rm -rf assets/docs && mkdir -p assets/docs
  cp "$from/swagger-ui-bundle.js" "$from/swagger-ui.css" "$from/swagger-ui-bundle.js.LICENSE.txt" assets/docs/
  cp "$from/LICENSE" assets/docs/swagger-ui-LICENSE.txt
  cp "$from/NOTICE" assets/docs/swagger-ui-NOTICE.txt
  # The map that it names is left out: it is as large again.
  sed -i '/^\/\*# sourceMappingURL=.*\*\/$/d' assets/docs/swagger-ui.css
}

build() {
  viewer
  node node_modules/vite/bin/vite.js build --logLevel warn
  { sources; built; } | LC_ALL=C sort | tr '\n' '\0' | xargs -0 sha256sum >assets/checksums
}

# check: the copy has another path, and as many links to the packages as there are files.
check() {
  local copy; copy=$(cd .. && pwd)/var/playground
  rm -rf "$copy" && mkdir -p "$copy/again/playground" "$copy/again/scripts/setup"
  cp ../scripts/setup/requirements-node.txt "$copy/again/scripts/setup/"
  cp -R app build.sh licences.ts ./*.json vite.config.ts "$copy/again/playground/"
  cp -a --link node_modules "$copy/again/playground/"
  (cd "$copy/again/playground" && build)
  if ! diff -rq "$copy/again/playground/assets" assets; then
    echo "playground/assets is not what its sources make: run \`make playground\` and commit what it builds." >&2
    return 1
  fi
  rm -rf "$copy"
}

if [ "${1:-}" = --check ]; then check; else build; fi
