# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the scripts in tools/ share. Source it after `set -euo pipefail`.

QMICROIO_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
QMICROIO_JOBS=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc 2>/dev/null || echo 2)}
QMICROIO_STARTED=$SECONDS

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    _bold=$'\e[1m' _red=$'\e[31m' _green=$'\e[32m' _plain=$'\e[0m'
else
    _bold='' _red='' _green='' _plain=''
fi

# A heading, with the time since the script began.
step() {
    local elapsed=$((SECONDS - QMICROIO_STARTED))
    printf '%s==> [%d:%02d] %s%s\n' "$_bold" $((elapsed / 60)) $((elapsed % 60)) "$*" "$_plain"
}

pass() { printf '%s%s%s\n' "$_green" "$*" "$_plain"; }
fail() { printf '%s%s%s\n' "$_red" "$*" "$_plain" >&2; }

# Wrong use: what is wrong, the usage of the calling script, exit code 2.
die_usage() {
    printf '%s: %s\n\n' "$(basename "$0")" "$1" >&2
    usage >&2
    exit 2
}

# The Debian and Ubuntu packages of each purpose. The names are the same on Debian 12 and Ubuntu 24.04.
packages_of() {
    case $1 in
    build) echo g++ cmake ninja-build ccache git qt6-base-dev qcoro-qt6-dev ;;
    # The symbolizer of llvm-19 puts function names into the reports of sanitizers.
    clang) echo clang-19 libclang-rt-19-dev llvm-19 ;;
    # What fetches and builds the sources of qt6-base.
    tsan) echo clang-19 libclang-rt-19-dev dpkg-dev ninja-build ;;
    # Tests of programs are scripts; the driver is for the example log_pipeline.
    test) echo python3 libqt6sql6-sqlite ;;
    # The module and the dashboard; fonts for systems that have none, and a display for the test of a real window.
    qml) echo qt6-declarative-dev qt6-declarative-dev-tools qt6-tools-dev qt6-tools-dev-tools qt6-l10n-tools libqt6sql6-sqlite \
        qml6-module-qtquick qml6-module-qtquick-controls qml6-module-qtquick-layouts qml6-module-qtquick-templates \
        qml6-module-qtquick-window qml6-module-qttest qml6-module-qtqml qml6-module-qtqml-models \
        qml6-module-qtqml-workerscript fonts-dejavu-core xvfb ;;
    check) echo git python3 clang-format-19 clang-tidy-19 doxygen reuse ;;
    # Consumers that are built by pkg-config and qmake, and Debian packages.
    package) echo pkg-config qmake6 make dpkg-dev ;;
    abi) echo abigail-tools binutils xz-utils ;;
    # The second has the generator of help files.
    docs) echo doxygen qt6-documentation-tools ;;
    bench) echo libbenchmark-dev libasio-dev libconcurrentqueue-dev python3 ;;
    verify) echo spin gcc libc6-dev ;;
    valgrind) echo valgrind ;;
    *)
        echo "packages_of: no package set named $1" >&2
        return 1
        ;;
    esac
}

# need SET...: makes sure that all packages of these sets are installed, or says what to type and ends with code 3.
need() {
    local set wanted=() installed missing=() package
    for set in "$@"; do
        # shellcheck disable=SC2207
        wanted+=($(packages_of "$set"))
    done
    if ! command -v dpkg-query >/dev/null; then
        echo "This is not a Debian-like system, so nothing is installed for you. Needed, by their names there: ${wanted[*]}" >&2
        return 0
    fi
    # dpkg-query fails when it does not know one of the names; what it prints for the others still counts.
    installed=" $(dpkg-query -W -f '${Package}=${db:Status-Status} ' "${wanted[@]}" 2>/dev/null || true) "
    for package in "${wanted[@]}"; do
        case $installed in
        *" $package=installed "*) ;;
        *) case " ${missing[*]-} " in *" $package "*) ;; *) missing+=("$package") ;; esac ;;
        esac
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        # Without a terminal nobody can type a password, so only a sudo that asks for none is of use.
        if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; then
            as_root=(sudo)
        else
            _say_what_to_install "${missing[@]}"
            exit 3
        fi
    fi
    step "Installing ${missing[*]}"
    # A third-party source that cannot be reached must not stop packages of the distribution from being installed.
    ${as_root[@]+"${as_root[@]}"} apt-get -q update </dev/null || true
    if ! ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get -q install -y --no-install-recommends "${missing[@]}" </dev/null; then
        fail "apt-get could not install all that is needed."
        _say_what_to_install "${missing[@]}"
        exit 3
    fi
}

_say_what_to_install() {
    printf 'Some packages are missing. Install them and start again:\n\n  sudo apt-get install -y --no-install-recommends %s\n\n' "$*" >&2
}

# Package sets that a preset needs beyond `build`.
sets_of_preset() {
    case $1 in
    dev) echo test check package abi docs qml ;;
    gui) echo qml ;;
    dev-clang | release-clang | asan | tsan) echo test clang ;;
    release | asan-gcc) echo test ;;
    tidy) echo clang check ;;
    package) echo package ;;
    bench) echo bench ;;
    esac
}

# The version of the distribution's Qt, as its source package names it.
qt_version() { dpkg-query -W -f '${source:Version}' qt6-base-dev; }

# Where tools/qt-tsan puts its Qt.
tsan_qt_folder() { echo "${QMICROIO_QT_TSAN:-${XDG_CACHE_HOME:-$HOME/.cache}/qmicroio/qt-tsan}"; }

# mark_tsan_qt FOLDER: it is whole. built_tsan_qt FOLDER: prints what Qt6_DIR is to be, if it is whole and of the version
# of the distribution's Qt, whose headers QCoro was built with, and configured as tools/qt-tsan does it today.
tsan_qt_mark() { echo "$(qt_version), fork"; }
mark_tsan_qt() { tsan_qt_mark >"$1/built"; }
built_tsan_qt() {
    [ -f "$1/built" ] && [ "$(cat "$1/built")" = "$(tsan_qt_mark)" ] && echo "$1/build/lib/cmake/Qt6"
}

# use_qt PRESET [Qt6_DIR]: forgets what CMake found when the preset was configured with another Qt, since it would mix both.
use_qt() {
    local cache=$QMICROIO_ROOT/build/$1/CMakeCache.txt known
    [ -f "$cache" ] || return 0
    known=$(sed -n 's/^Qt6_DIR:[A-Z]*=//p' "$cache")
    case ${2:-} in
    '') case $known in "$(tsan_qt_folder)"/*) rm -f "$cache" ;; esac ;;
    "$known") ;;
    *) rm -f "$cache" ;;
    esac
}

# configure PRESET [cmake arguments]: quiet unless it fails, since nobody reads the list of found packages.
configure() {
    local preset=$1 log
    shift
    log=$(mktemp)
    step "$preset: configure"
    if ! (cd "$QMICROIO_ROOT" && cmake --preset "$preset" "$@") >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        fail "$preset: configuring failed"
        return 1
    fi
    rm -f "$log"
}

# build PRESET [targets]: all of it, or the named targets.
build() {
    local preset=$1
    shift
    step "$preset: build${1:+ $*}"
    if ! cmake --build "$QMICROIO_ROOT/build/$preset" --parallel "$QMICROIO_JOBS" ${1:+--target "$@"} </dev/null; then
        fail "$preset: building failed"
        return 1
    fi
}
