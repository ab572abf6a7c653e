# Sourced by the image scripts: a cache of finished folders, and the Debian mirror this machine uses.
#
# A cached item is a folder with a .stamp file. It is built in a temporary folder beside it and
# renamed when done, so that a half-built item is never seen; a stamp that differs from the wanted
# one (the recipe changed) means: build again.

set -euo pipefail

readonly CACHE=${SEAWARD_CACHE:-$HOME/.cache/seaward}
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() { say "$*"; exit 1; }

# stamp_of WORD...: one hash over the words and the recipe (the calling script and this file).
stamp_of() {
  { printf '%s\n' "$@"; cat "$0" "${BASH_SOURCE[0]}"; } | sha256sum | cut -c1-16
}

# with_cached NAME STAMP BUILDER: prints the folder; calls `BUILDER folder` when it is not there.
with_cached() {
  local name=$1 stamp=$2 builder=$3 item=$CACHE/$1
  mkdir -p "$CACHE"
  exec {lock}>"$CACHE/.lock-${name//\//-}"
  flock "$lock"
  if [ "$(cat "$item/.stamp" 2>/dev/null)" != "$stamp" ]; then
    find "$CACHE" -maxdepth 1 -name ".new-$name-*" -exec rm -rf {} +  # of a run that was killed
    fresh=$(mktemp -d "$CACHE/.new-$name-XXXXXX")
    chmod 755 "$fresh"
    trap 'rm -rf "$fresh"' EXIT
    "$builder" "$fresh" >&2
    printf '%s\n' "$stamp" >"$fresh/.stamp"
    rm -rf "$item"
    mv "$fresh" "$item"
    trap - EXIT
  fi
  exec {lock}>&-
  printf '%s\n' "$item"
}

# The archive that this machine's own apt is configured with for bookworm.
debian_mirror() {
  local mirror
  mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Identifier: Packages' |
    awk '$1 == "bookworm" || $1 == "stable" { sub("/$", "", $2); print $2; exit }')
  [ -n "$mirror" ] || die "no Debian bookworm archive in this machine's apt sources"
  printf '%s\n' "$mirror"
}
