# Sourced by the image scripts: a cache of finished folders, and the Debian mirror this machine uses.
#
# A cached item NAME is the folder NAME-STAMP, where the stamp is a hash of the recipe and its inputs:
# a changed recipe makes a new folder and disturbs nobody who uses the old one. NAME itself is a link
# to the newest. An item is built in a temporary folder and renamed when done, so that a half-built
# one is never seen. Items that nobody asked for during a week are removed.

set -euo pipefail

readonly CACHE=${SEAWARD_CACHE:-$HOME/.cache/seaward}
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() { say "$*"; exit 1; }

# stamp_of WORD...: one hash over the words and the calling script.
stamp_of() { { printf '%s\n' "$@"; cat "$0"; } | sha256sum | cut -c1-12; }

# with_cached NAME STAMP BUILDER: prints the folder; calls `BUILDER folder` when it is not there.
with_cached() {
  local name=$1 item=$CACHE/$1-$2 builder=$3
  mkdir -p "$CACHE"
  exec {lock}>"$CACHE/.lock-$name"
  flock "$lock"
  if [ ! -d "$item" ]; then
    find "$CACHE" -maxdepth 1 -name ".new-$name-*" -exec rm -rf {} +  # of a run that was killed
    find "$CACHE" -maxdepth 1 -name "$name-????????????" -mtime +7 -exec rm -rf {} +
    fresh=$(mktemp -d "$CACHE/.new-$name-XXXXXX")
    trap 'rm -rf "$fresh"' EXIT
    chmod 755 "$fresh"
    "$builder" "$fresh" >&2
    mv "$fresh" "$item"
    trap - EXIT
  fi
  touch "$item"
  ln -sfn "$(basename "$item")" "$CACHE/.link-$name"
  mv -T "$CACHE/.link-$name" "$CACHE/$name"
  exec {lock}>&-
  printf '%s\n' "$item"
}

# The agent's shipped configuration, but for the waits: under emulation on a busy machine half a second
# passes before the host has had a chance to answer.
patient_agent_config() {
  sed -e 's/^\( *wait_ms:\).*/\1 8000/' -e 's/^\( *limit_ms:\).*/\1 60000/' \
    "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../configs/guest/agent.yaml"
}

# The archive that this machine's own apt is configured with for bookworm.
debian_mirror() {
  local mirror
  mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Identifier: Packages' |
    awk '$1 == "bookworm" || $1 == "stable" { sub("/$", "", $2); print $2; exit }')
  [ -n "$mirror" ] || die "no Debian bookworm archive in this machine's apt sources"
  printf '%s\n' "$mirror"
}

# apt on private state: the machine's own lists and architectures are not touched.
#   private_apt_state ARCH MIRROR SUITE FOLDER   makes the state
#   private_apt ARCH TOOL FOLDER ARGUMENT...     runs apt-get or apt-cache on it
private_apt_state() {
  local arch=$1 mirror=$2 suite=$3 state=$4
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  printf 'deb [arch=%s signed-by=%s] %s %s main\n' "$arch" "$KEYRING" "$mirror" "$suite" \
    >"$state/sources.list"
}

private_apt() {
  local arch=$1 tool=$2 state=$3
  shift 3
  "$tool" -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State::Lists="$state/lists" -o Dir::State::status=/dev/null \
    -o Dir::Cache::archives="$state/archives" \
    -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o APT::Sandbox::User=root "$@"
}
