#!/usr/bin/env bash
# Install Perpetuo as a service, from a checkout. Run it again to update: what is there already stays,
# and a failed update leaves the version that plays.
set -euo pipefail
umask 022

usage() {
    cat <<'TEXT'
usage: sudo systemd/install.sh [options]     for this machine, into /opt/perpetuo
       systemd/install.sh --user [options]   for one person, into ~/.local

  --user          for one person: JACK, PipeWire, no root
  --dry-run       say what would be done, and do nothing
  --network       let the service use the network: web page, OSC, metrics
  --no-start      install, and start nothing
  --wheels DIR    take every package from DIR and none from the internet
                  (made on a like machine by: pip wheel -w DIR '.[metrics,live,mqtt]' python-rtmidi)
  --python FILE   the Python to use (3.11 or newer, 64 bits)
  --root DIR      put the files alone below DIR (for packagers)
  --uninstall     stop and remove it; settings, recordings and state stay
  --purge         with --uninstall: remove these too
TEXT
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$(dirname "$here")
dry=no user=no network=no start=yes uninstall=no purge=no wheels='' python='' root=''
changed=no rules_changed=no

say() { printf '%s\n' "$*"; }
die() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

# Do something, or say that it would be done.
act() {
    if [ $dry = yes ]; then
        say "would run: $*"
    else
        "$@"
    fi
}

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
        --dry-run) dry=yes ;;
        --user) user=yes ;;
        --network) network=yes ;;
        --no-start) start=no ;;
        --uninstall) uninstall=yes ;;
        --purge) purge=yes ;;
        --wheels | --python | --root)
            [ $# -ge 2 ] || die "$1 needs a value (see --help)"
            case $1 in
            --wheels) wheels=$2 ;;
            --python) python=$2 ;;
            --root) root=${2%/} ;;
            esac
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) die "there is no option $1 (see --help)" ;;
        esac
        shift
    done
    [ $purge = no ] || [ $uninstall = yes ] || die "--purge goes with --uninstall"
    [ $user = no ] || [ $network = no ] || die "--network is for the service of the machine; a person's has the network"
    [ -z "$wheels" ] || [ -d "$wheels" ] || die "--wheels $wheels: no such folder"
    [ -z "$wheels" ] || wheels=$(cd "$wheels" && pwd)
}

places() {
    if [ $user = yes ]; then
        prefix=$root${XDG_DATA_HOME:-$HOME/.local/share}/perpetuo
        bin=$root$HOME/.local/bin/perpetuo
        config=$root${XDG_CONFIG_HOME:-$HOME/.config}/perpetuo/perpetuo.toml
        unit=$root${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user/perpetuo.service
        state=$root${XDG_STATE_HOME:-$HOME/.local/state}/perpetuo
        systemctl=(systemctl --user)
    else
        prefix=$root/opt/perpetuo
        bin=$root/usr/local/bin/perpetuo
        config=$root/etc/perpetuo/perpetuo.toml
        unit=$root/etc/systemd/system/perpetuo.service
        state=$root/var/lib/perpetuo
        systemctl=(systemctl)
    fi
    dropin=$root/etc/systemd/system/perpetuo.service.d/network.conf
    avahi=$root/etc/avahi/services/perpetuo.service
    rules=$root/etc/udev/rules.d/70-perpetuo.rules
    sysusers=$root/usr/lib/sysusers.d/perpetuo.conf
    limits=$root/etc/security/limits.d/perpetuo.conf
}

check_rights() {
    [ $dry = no ] && [ -z "$root" ] || return 0
    if [ $user = yes ]; then
        [ "$(id -u)" != 0 ] || die "--user is for one person: run it as that person, without sudo"
    else
        [ "$(id -u)" = 0 ] || die "installing for the machine needs root: sudo $0 (or --user for yourself)"
    fi
}

# Choose the Python, and refuse what cannot play.
check_machine() {
    [ "$(uname -s)" = Linux ] || die "this needs Linux with systemd; elsewhere: pip install perpetuo-midi"
    command -v systemctl >/dev/null || die "there is no systemctl: this needs systemd; without it: make play"
    local candidate answer why='none was found' candidates=(/usr/bin/python3 python3 python3.13 python3.12 python3.11)
    [ -z "$python" ] || candidates=("$python")
    for candidate in "${candidates[@]}"; do
        command -v "$candidate" >/dev/null || continue
        answer=$("$candidate" -I -c 'import struct, sys
bits, version = struct.calcsize("P") * 8, "%d.%d" % sys.version_info[:2]
print(bits, version, "new" if sys.version_info >= (3, 11) else "old", sys.base_prefix)') || continue
        case $answer in
        32*) why="$candidate has 32 bits, and ONNX Runtime has no 32-bit ARM build: install the 64-bit system (Raspberry Pi OS 64-bit)" ;;
        *' old '*) why="$candidate is too old; Debian 12 and Raspberry Pi OS 12 have 3.11" ;;
        *' /home/'* | *' /root/'*)
            # The service cannot see these (ProtectHome=).
            why="$candidate lives in a home, which the service cannot see: sudo apt install python3"
            [ $user = no ] || break
            ;;
        *) break ;;
        esac
        answer=''
    done
    [ -n "${answer:-}" ] || die "perpetuo needs Python 3.11 or newer with 64 bits; $why"
    python=$(command -v "$candidate")
}

# Put a file in its place if it is not there as it should be.
put() {
    local from=$1 to=$2
    cmp -s "$from" "$to" && return
    changed=yes
    if [ $dry = yes ]; then
        say "would write: $to"
    else
        install -D -m 644 "$from" "$to"
        say "wrote $to"
    fi
}

put_files() {
    if [ $user = yes ]; then
        put "$here/user/perpetuo.service" "$unit"
    else
        put "$here/perpetuo.service" "$unit"
        [ $network = no ] || put "$here/network.conf" "$dropin"
        # Where Avahi is, it tells the network where the page is.
        [ $network = no ] || [ ! -d "$(dirname "$avahi")" ] || put "$here/avahi.service" "$avahi"
        put "$here/sysusers.conf" "$sysusers"
        put "$here/limits.conf" "$limits"
        cmp -s "$here/udev.rules" "$rules" || rules_changed=yes
        put "$here/udev.rules" "$rules"
        put "$source/README.md" "$prefix/README.md"
    fi
    # Settings belong to the person. News of a version go beside them.
    if [ ! -e "$config" ]; then
        put "$here/perpetuo.toml" "$config"
    elif ! cmp -s "$here/perpetuo.toml" "$config"; then
        put "$here/perpetuo.toml" "$config.new"
    fi
}

# What an environment is made of: when this is the same, there is nothing to install.
fingerprint() {
    {
        "$python" -VV
        if [ -n "$wheels" ]; then
            (cd "$wheels" && find . -name '*.whl' -exec sha256sum {} + | sort)
        else
            (cd "$source" && find pyproject.toml streamer training export -type f \
                ! -name '*.pyc' -exec sha256sum {} + | sort)
        fi
    } | sha256sum | cut -c1-12
}

pip_install() {
    local from=()
    [ -z "$wheels" ] || from=(--no-index --find-links "$wheels")
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        "${from[@]}" "$@" >>"$prefix/pip.log" 2>&1
}

apt_install() {
    [ $user = no ] && command -v apt-get >/dev/null || return 1
    say "installing $*"
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >/dev/null
}

make_environment() {
    local print
    print=$(fingerprint)
    venv=$prefix/venvs/$print
    if [ -e "$venv/complete" ]; then
        say "this version is installed already ($venv)"
    elif [ $dry = yes ]; then
        say "would make: $venv with $python"
        return
    else
        say "installing into $venv (some minutes on a small machine)"
        rm -rf "$venv"
        mkdir -p "$prefix/venvs"
        : >"$prefix/pip.log"
        trap 'rm -rf "$venv"' EXIT
        if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
            apt_install python3-venv || say "python3-venv could not be installed"
            rm -rf "$venv"
            "$python" -m venv "$venv" >/dev/null || die "no virtual environment can be made: sudo apt install python3-venv"
        fi
        local what="${source}[metrics,live,mqtt]"
        [ -z "$wheels" ] || what='perpetuo-midi[metrics,live,mqtt]'
        pip_install "$what" ||
            die "the packages could not be installed ($prefix/pip.log says why); without internet: --wheels DIR (see --help). What was installed before is as it was"
        install_rtmidi
        touch "$venv/complete"
        trap - EXIT
    fi
    if [ "$(readlink "$prefix/venv" || true)" != "venvs/$print" ]; then
        changed=yes
        # In one step: the link is there at every moment.
        ln -sfn "venvs/$print" "$prefix/venv.next"
        mv -T "$prefix/venv.next" "$prefix/venv"
    fi
    mkdir -p "$(dirname "$bin")"
    [ "$(readlink "$bin" || true)" = "$prefix/venv/bin/perpetuo" ] || ln -sfn "$prefix/venv/bin/perpetuo" "$bin"
}

# python-rtmidi has no wheel for Python 3.13 (Raspberry Pi OS 13): Debian's build is lent to the
# environment. Without it ALSA's own library is spoken to, and JACK is not; nothing is compiled.
install_rtmidi() {
    local has_it=("$venv/bin/python" -c 'import rtmidi; rtmidi.MidiOut') site lent
    "${has_it[@]}" 2>/dev/null && return
    if ! pip_install --only-binary python-rtmidi 'python-rtmidi>=1.5.8'; then
        say "python-rtmidi has no wheel for this Python"
        apt_install python3-rtmidi || true
        site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
        if lent=$("$python" -I -c 'import os, rtmidi; print(os.path.dirname(rtmidi.__file__))' 2>/dev/null); then
            ln -sfn "$lent" "$site/rtmidi"
        fi
    fi
    # The library of ALSA is the system's.
    "$venv/bin/python" -c 'import ctypes; ctypes.CDLL("libasound.so.2")' 2>/dev/null ||
        apt_install libasound2 || apt_install libasound2t64 || true
    "${has_it[@]}" 2>/dev/null ||
        say "python-rtmidi is not there: ALSA is played to without it, JACK is not (sudo apt install python3-rtmidi)"
}

join_groups() {
    [ $user = no ] || return 0
    act systemd-sysusers "$sysusers"
    local person=${SUDO_USER:-}
    [ -n "$person" ] && [ "$person" != root ] || return 0
    if ! id -nG "$person" | tr ' ' '\n' | grep -qx audio; then
        act usermod -aG audio "$person"
        say "$person is in the group audio from the next login on"
    fi
}

start_service() {
    if [ ! -d /run/systemd/system ] && [ $dry = no ]; then
        say "systemd does not run here; the service is not started"
        return
    fi
    [ $rules_changed = no ] || ! command -v udevadm >/dev/null || act udevadm control --reload
    [ $changed = no ] || act "${systemctl[@]}" daemon-reload
    [ $start = yes ] || return 0
    if [ $changed = no ] && "${systemctl[@]}" --quiet is-active perpetuo; then
        say "nothing has changed; it plays on"
        return
    fi
    act "${systemctl[@]}" --quiet enable perpetuo
    act "${systemctl[@]}" restart perpetuo || die "it does not start: journalctl ${systemctl[1]:-} -u perpetuo -n 50"
}

# Environments of earlier versions, once nothing runs from them.
sweep() {
    local old
    for old in "$prefix"/venvs/*; do
        if [ -d "$old" ] && [ "$old" != "$venv" ]; then
            act rm -rf "$old"
        fi
    done
}

remove() {
    local path
    if [ -z "$root" ] && [ -e "$unit" ]; then
        if [ -d /run/systemd/system ]; then
            act "${systemctl[@]}" --quiet disable --now perpetuo || say "it was not running"
        else
            act "${systemctl[@]}" --quiet disable perpetuo
        fi
    fi
    local all=("$unit" "$bin" "$prefix")
    [ $user = yes ] || all+=("$dropin" "$avahi" "$rules" "$sysusers" "$limits")
    [ $purge = no ] || all+=("$config" "$config.new" "$state")
    [ $purge = no ] || [ $user = yes ] || all+=("$root/var/lib/private/perpetuo")
    for path in "${all[@]}"; do
        if [ -e "$path" ] || [ -L "$path" ]; then
            changed=yes
            act rm -rf "$path"
        fi
    done
    for path in "$(dirname "$dropin")" "$(dirname "$config")"; do
        [ ! -d "$path" ] || act rmdir --ignore-fail-on-non-empty "$path"
    done
    if [ $changed = no ]; then
        say "nothing of perpetuo is installed"
        return
    fi
    if [ -z "$root" ]; then
        [ ! -d /run/systemd/system ] || act "${systemctl[@]}" daemon-reload
        if [ $purge = yes ] && [ $user = no ] && getent passwd perpetuo >/dev/null; then
            act userdel perpetuo
        fi
    fi
    [ $purge = yes ] || say "kept: $config and $state (--purge removes them)"
}

main() {
    parse "$@"
    check_rights
    places
    if [ $uninstall = yes ]; then
        remove
        return
    fi
    [ -n "$root" ] || check_machine
    if [ -n "$root" ]; then
        put_files
        return
    fi
    # First what can fail: until it is whole, nothing else is touched.
    make_environment
    put_files
    join_groups
    start_service
    sweep
    [ $dry = no ] || return 0
    say "settings: $config"
    say "how it is: systemctl${systemctl[1]:+ ${systemctl[1]}} status perpetuo"
    say "what would keep it from playing: perpetuo check --config $config"
}

main "$@"
