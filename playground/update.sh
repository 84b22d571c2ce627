#!/usr/bin/env bash
# Copies what /docs needs out of the npm packages in package-lock.json into assets/docs, with a
# checksum of each and of the lock. No script of a package runs.
# Usage: playground/update.sh FOLDER   (where the packages are unpacked)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
work=$1
mkdir -p "$work" assets/docs
cp package.json package-lock.json "$work/"
npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund --silent
from=$work/node_modules/swagger-ui-dist
rm -f assets/docs/*
cp "$from/swagger-ui-bundle.js" "$from/swagger-ui.css" assets/docs/
cp "$from/LICENSE" assets/docs/swagger-ui-LICENSE.txt
cp "$from/NOTICE" assets/docs/swagger-ui-NOTICE.txt
cp "$from/swagger-ui-bundle.js.LICENSE.txt" assets/docs/
# The map that it names is left out: it is as large again.
sed -i '/^\/\*# sourceMappingURL=.*\*\/$/d' assets/docs/swagger-ui.css
(cd assets/docs && sha256sum ../../package-lock.json ../../update.sh ./* >checksums)
