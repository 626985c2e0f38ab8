#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# Usage: installcheck.sh PREFIX LIBDIR BINDIR VERSION; for `make installcheck`. A program that knows nothing but
# `pkg-config gkv` compiles against the installed headers, links with the installed library, and runs.
set -euo pipefail
prefix=$1 libdir=$2 bindir=$3 version=$4
root=${DESTDIR:-}
work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-installcheck.XXXXXX")
trap 'rm -rf "$work"' EXIT

cat >"$work/program.c" <<'END'
#include <gkv.h>
#include <gravity.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	char value[8];
	size_t size;
	gkv *db;
	gravity *g;

	if (gkv_open(NULL, NULL, &db) != GKV_OK || gkv_put(db, "key", 3, "value", 5) != GKV_OK)
		return 1;
	if (gkv_get(db, "key", 3, value, sizeof(value), &size) != GKV_OK || size != 5 || memcmp(value, "value", 5) != 0)
		return 2;
	if (gkv_close(db) != GKV_OK || gravity_open(NULL, NULL, &g) != GRAVITY_OK || gravity_close(g) != GRAVITY_OK)
		return 3;
	return printf("%s %s\n", gkv_version(), GKV_VERSION_STRING) < 0;
}
END

export PKG_CONFIG_PATH=$root$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
[ "$(pkg-config --modversion gkv)" = "$version" ]
# shellcheck disable=SC2046,SC2086
${CC:-cc} ${CFLAGS:-} -o "$work/program" "$work/program.c" $(pkg-config --cflags --libs gkv) -pthread
[ "$(LD_LIBRARY_PATH=$root$libdir "$work/program")" = "$version $version" ]
"$root$bindir/gkv" --version >/dev/null
echo "installed in $prefix: pkg-config, headers, library and program work"
