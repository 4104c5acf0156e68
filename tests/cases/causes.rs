//! What every cause must have: an id of the contract, words, a file of its own with tests, a scenario on a real host.

use std::collections::BTreeSet;

use unrefuse::diagnose::causes::{ALL, Cause};

use crate::tree::files;

/// The ids of the contract, by box. Ids may be added, never taken back or used for something else.
const CONTRACT: [(&str, &str); 9] = [
    (
        "service",
        "svc-not-running svc-not-installed svc-not-enabled-after-reboot svc-masked svc-failed-config-syntax \
         svc-failed-missing-file svc-failed-upstream-name-unresolved svc-runtime-dir-missing svc-start-limit-hit \
         svc-flapping-auto-restart svc-crashed-signal svc-oom-killed svc-disk-full svc-start-timeout svc-condition-unmet \
         svc-dependency-failed svc-active-wrapper-hides-failure svc-starting-not-ready svc-bootstrap-check-refuses \
         socket-unit-not-started socket-unit-trigger-limit socket-unit-service-start-limit \
         socket-unit-overrides-daemon-config socket-unit-needs-restart-after-edit docker-daemon-down \
         no-listener-unknown-service",
    ),
    (
        "listener",
        "bind-loopback-only bind-one-specific-ip bind-partial-silent bind-address-not-up-at-boot bind-address-foreign \
         bind-hostname-127-0-1-1 bind-to-device listen-wrong-port listen-not-configured listen-v4-only-client-v6 \
         listen-v6-only ipv6-disabled-bind-fails port-conflict-other-daemon port-conflict-dns-stub \
         port-conflict-old-instance privileged-port-eacces accept-queue-overflow abort-on-overflow \
         fd-or-connection-limit unix-socket-stale unix-socket-missing-or-denied systemd-private-network",
    ),
    (
        "container",
        "ct-app-bound-loopback ct-wrong-container-port ct-port-not-published ct-published-on-loopback \
         ct-stopped-or-restarting ct-client-localhost-inside ct-host-service-not-on-bridge \
         ct-host-firewall-blocks-container ct-iptables-flushed ct-forward-blocked ct-host-port-taken ct-podman-rootless \
         ct-app-not-listening",
    ),
    (
        "firewall",
        "fw-input-reject fw-input-drop fw-rule-order fw-nft-separate-table fw-netdev-ingress fw-prerouting-raw \
         fw-output-client fw-synack-blocked fw-loopback-not-accepted fw-legacy-and-nft-mixed fw-ufw-deny fw-ufw-reject \
         fw-ufw-limit fw-rate-limit-custom fw-firewalld-zone-default fw-firewalld-rich-rule-reject \
         fw-firewalld-permanent-not-loaded fw-fail2ban-ban fw-other-ban fw-dnat-dead-target fw-ipv6-only-filtered \
         fw-conntrack-table-full fw-conntrack-invalid fw-cgroup-bpf fw-xdp-or-tc-bpf fw-upstream k8s-service-no-endpoints",
    ),
    (
        "policy",
        "selinux-port-type selinux-port-label-lost-after-update selinux-connect-denied apparmor-denied-bind \
         systemd-restrict-address-families systemd-protect-filesystem systemd-capability-or-syscall-filter \
         systemd-ipaddress-deny systemd-socketbind-deny systemd-restrict-network-interfaces",
    ),
    ("wrappers", "tcp-wrappers-deny xinetd-only-from"),
    (
        "network",
        "cli-route-unreachable cli-route-prohibit cli-route-blackhole path-no-route path-host-down path-return-route \
         path-rp-filter path-middlebox-reset cli-lo-down cli-ephemeral-exhausted path-port-forward-missing lb-backend-down",
    ),
    (
        "name",
        "name-does-not-resolve localhost-resolves-v6-first cli-wrong-host-dns cli-hosts-file-stale cli-sinkhole-0000 \
         cli-proxy-env-dead cli-wrong-port-or-protocol",
    ),
    (
        "connect",
        "app-pg-hba-rejects app-redis-protected-mode app-mysql-host-not-allowed app-sshd-maxstartups \
         app-proxy-upstream-down",
    ),
];

/// The file a cause must stand in.
fn path_of(cause: &Cause) -> String {
    format!("diagnose/causes/{}/{}.rs", cause.in_box.word(), cause.id.replace('-', "_"))
}

#[test]
fn ids_are_kebab_case_unique_and_of_the_contract() {
    let mut seen = BTreeSet::new();
    for cause in ALL {
        let kebab = cause
            .id
            .split('-')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        assert!(kebab, "{} is not kebab-case", cause.id);
        assert!(seen.insert(cause.id), "{} is in ALL twice", cause.id);
        let contract = CONTRACT.iter().find(|(_, ids)| ids.split_whitespace().any(|id| id == cause.id));
        let (in_box, _) = contract.unwrap_or_else(|| panic!("{} is not in the contract's list: add it here", cause.id));
        assert_eq!(cause.in_box.word(), *in_box, "the box of {}", cause.id);
    }
}

#[test]
fn the_words_are_there_and_clean() {
    for cause in ALL {
        let w = &cause.words;
        for (name, text) in [("title", w.title), ("what", w.what), ("see", w.see), ("fix", w.fix), ("undo", w.undo)] {
            assert!(!text.trim().is_empty(), "{}: no {name}", cause.id);
            assert!(text.lines().all(|l| l == l.trim_end()), "{}: {name} has trailing spaces", cause.id);
            assert!(!text.contains("  ") || name == "see", "{}: {name} has double spaces: {text}", cause.id);
        }
        assert!(!w.title.ends_with('.') && !w.title.contains('\n'), "{}: a title is one line without a stop", cause.id);
        assert!(w.what.ends_with('.'), "{}: `what` is made of sentences", cause.id);
        assert!(!cause.explains.is_empty(), "{} explains nothing", cause.id);
    }
}

#[test]
fn each_has_a_file_of_its_own_with_tests() {
    let files = files("src");
    for cause in ALL {
        let path = path_of(cause);
        let found = files.iter().find(|(file, _)| file.to_string_lossy() == path);
        let (_, text) = found.unwrap_or_else(|| panic!("{} belongs into src/{path}", cause.id));
        assert!(text.contains(&format!("id: \"{}\"", cause.id)), "src/{path} does not define {}", cause.id);
        assert!(text.contains("mod tests"), "src/{path} has no tests");
        assert!(text.starts_with("//! "), "src/{path} does not say in its first line what it is for");
    }
}

#[test]
fn every_cause_file_is_registered() {
    let ids: BTreeSet<&str> = ALL.iter().map(|cause| cause.id).collect();
    for (path, text) in files("src/diagnose/causes") {
        let defines = text.lines().filter_map(|line| line.trim().strip_prefix("id: \"")?.strip_suffix("\","));
        for id in defines {
            assert!(ids.contains(id), "{} defines {id}, which is not in ALL", path.display());
        }
    }
}

/// Causes that no host here can be made to have, and why.
const NOT_PLAYED: [(&str, &str); 5] = [
    ("port-conflict-dns-stub", "systemd-resolved is a package of its own that the test root does not have"),
    ("systemd-socketbind-deny", "Debian 12's systemd is built without BPF_FRAMEWORK"),
    ("systemd-restrict-network-interfaces", "Debian 12's systemd is built without BPF_FRAMEWORK"),
    ("xinetd-only-from", "xinetd is not in the test root"),
    ("ct-podman-rootless", "podman and a user's session are not in the test root"),
];

#[test]
fn every_cause_is_broken_on_a_real_host() {
    let all = files("tests/hosts/scenarios").into_iter().chain(files("tests/vm/scenarios"));
    let scenarios: String = all.map(|(_, text)| text).collect();
    for cause in ALL {
        let played = scenarios.contains(&format!("cause: \"{}\"", cause.id));
        let excused = NOT_PLAYED.iter().any(|(id, _)| *id == cause.id);
        assert!(played || excused, "{} has no scenario below tests/hosts/scenarios or tests/vm/scenarios", cause.id);
        assert!(!(played && excused), "{} has a scenario now: take it out of NOT_PLAYED", cause.id);
    }
}
