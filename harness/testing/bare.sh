#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Proves that a bare Debian 12 can build and run this: makes one in a folder, puts
# a clone of HEAD in, and runs a command there.
#
#   harness/testing/bare.sh [-u] [-w] [-k] DIR COMMAND [WORD...]
#   harness/testing/bare.sh /var/tmp/bare make test
#
#   -u  run the command as an ordinary user without sudo, after `make setup` as root
#   -w  copy the working tree as it stands instead of HEAD
#   -k  keep the machine; otherwise only its fresh state, DIR/base.tar, stays
#
# The machine is a chroot in mount and process namespaces of its own: whatever the
# command leaves running or mounted ends with it. It shares this machine's network.
# Needs root and debootstrap. Packages come from this machine's apt sources.

set -eu

say() {
	echo "bare: $*" >&2
}

fail() {
	say "$2"
	exit "$1"
}

user=false
worktree=false
keep=false
while getopts uwkh option; do
	case $option in
	u) user=true ;;
	w) worktree=true ;;
	k) keep=true ;;
	h) sed -n 's/^# \{0,1\}//; 3,16p' "$0"; exit 0 ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || fail 2 "a folder and a command are wanted; see -h"
[ "$(id -u)" -eq 0 ] || fail 1 "only root can make a machine: run it with sudo"
command -v debootstrap >/dev/null || fail 1 "debootstrap is missing: apt-get install debootstrap"

source=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
machine=$dir/root
[ ! -e "$machine" ] || fail 1 "$machine exists: remove it first"

# The first Debian mirror of this machine.
mirror() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources \
		/etc/apt/sources.list.d/*.list 2>/dev/null |
		sed -nE 's#^(URIs:|deb( \[.*\])?) *(https?://[^ ]*/debian/?)( .*)?$#\3#p' |
		head -n 1
}

# apt's settings, and those of its sources that are Debian's own.
copy_sources() {
	rm -f "$machine"/etc/apt/sources.list
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		if [ -f "$file" ] && grep -q '/debian' "$file"; then
			cp "$file" "$machine$file"
		fi
	done
	for file in /etc/apt/apt.conf.d/*proxy* /etc/apt/apt.conf; do
		[ ! -f "$file" ] || cp "$file" "$machine$file"
	done
}

# A Debian with apt, git and make, once; later machines are copies of it.
make_base() {
	mirror=$(mirror)
	say "making a Debian 12 from ${mirror:-deb.debian.org}"
	debootstrap --variant=minbase --include=git,make,ca-certificates bookworm \
		"$machine" "${mirror:-http://deb.debian.org/debian}" >"$dir/debootstrap.log" 2>&1 ||
		fail 1 "debootstrap failed; see $dir/debootstrap.log"
	copy_sources
	tar -C "$machine" -cf "$dir/base.new" .
	mv "$dir/base.new" "$dir/base.tar"
}

copy_source() {
	if $worktree; then
		mkdir -p "$machine/deos"
		git -C "$source" ls-files -z --cached --others --exclude-standard |
			(cd "$source" && xargs -0 ls -d 2>/dev/null |
				tar -cf - --files-from=-) | tar -C "$machine/deos" -xf -
	else
		git clone -q --no-hardlinks "$source" "$machine/deos"
	fi
}

# Runs words inside, as root or as the user `deos`.
inside() {
	unshare --mount --pid --fork --kill-child --propagation private \
		sh -c '
		set -e
		machine=$1 who=$2
		shift 2
		mount -t proc proc "$machine/proc"
		mount --rbind /sys "$machine/sys"
		mount --rbind /dev "$machine/dev"
		mount -t tmpfs tmpfs "$machine/run"
		cp -L /etc/resolv.conf "$machine/etc/resolv.conf"
		exec chroot --userspec="$who" "$machine" env -i PATH="$PATH" LANG=C.UTF-8 \
			HOME=/deos TERM="${TERM-dumb}" sh -c "cd /deos && exec \"\$@\"" sh "$@"
		' sh "$machine" "$@"
}

# The mounts lived in namespaces that are gone: only plain files are left.
clean() {
	$keep || rm -rf --one-file-system "$machine"
}
trap clean EXIT
trap 'exit 130' INT TERM

start=$(date +%s)
if [ -f "$dir/base.tar" ]; then
	mkdir "$machine"
	tar -C "$machine" -xf "$dir/base.tar"
else
	make_base
fi
copy_source
say "the machine stands after $(($(date +%s) - start)) s; running: $*"

start=$(date +%s)
status=0
if $user; then
	chroot "$machine" useradd --home-dir /deos deos
	inside root make setup
	chown -R --no-dereference --from=root:root 1000:1000 "$machine/deos"
	inside deos "$@" || status=$?
else
	inside root "$@" || status=$?
fi
say "exit status $status after $(($(date +%s) - start)) s"
exit "$status"
