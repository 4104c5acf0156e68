//! Each line here was written by a real daemon.

#![expect(clippy::unnecessary_wraps, reason = "what is expected is compared with an Option")]

use super::*;
use crate::diagnose::causes::testing::Host;
use crate::facts::Case;

/// `identifier: message` lines, a second apart.
fn entries(lines: &[&str]) -> Vec<Entry> {
    let entry = |(index, line): (u64, &&str)| {
        let (identifier, message) = line.split_once(": ").unwrap_or(("app", line));
        Entry {
            at_us: 1_000_000 * (1 + index),
            priority: 6,
            identifier: identifier.into(),
            pid: 9,
            message: message.into(),
        }
    };
    (0..).zip(lines).map(entry).collect()
}

fn kind(lines: &[&str]) -> Option<FailureKind> {
    of_start(&entries(lines)).map(|failure| failure.kind)
}

fn syntax(file: &str, line: u32) -> Option<FailureKind> {
    Some(FailureKind::ConfigSyntax { file: Some(file.into()), line: Some(line) })
}

fn missing(path: &str) -> Option<FailureKind> {
    Some(FailureKind::MissingFile { path: path.into() })
}

fn in_use(address: &str) -> Option<FailureKind> {
    Some(FailureKind::AddressInUse { address: Some(address.into()) })
}

fn not_available(address: &str) -> Option<FailureKind> {
    Some(FailureKind::AddressNotAvailable { address: Some(address.into()) })
}

fn bind_denied(address: &str) -> Option<FailureKind> {
    Some(FailureKind::BindDenied { address: Some(address.into()) })
}

fn upstream(name: &str, file: &str, line: u32) -> Option<FailureKind> {
    Some(FailureKind::UpstreamName { name: name.into(), file: Some(file.into()), line: Some(line) })
}

#[test]
fn nginx() {
    let says = |message: &str| kind(&[&format!("nginx: 2026/01/02 03:04:05 [emerg] 81#81: {message}")]);
    assert_eq!(
        says("unexpected end of file, expecting \";\" or \"}\" in /etc/nginx/conf.d/bad.conf:2"),
        syntax("/etc/nginx/conf.d/bad.conf", 2)
    );
    assert_eq!(
        says("open() \"/etc/nginx/snippets/x.conf\" failed (2: No such file or directory) in /etc/nginx/nginx.conf:61"),
        missing("/etc/nginx/snippets/x.conf")
    );
    assert_eq!(
        says(
            "cannot load certificate \"/etc/ssl/nope.pem\": BIO_new_file() failed (SSL: error:80000002:system \
             library::No such file or directory:calling fopen(/etc/ssl/nope.pem, r))"
        ),
        missing("/etc/ssl/nope.pem")
    );
    assert_eq!(
        says("cannot load certificate \"/etc/ssl/empty.pem\": PEM_read_bio_X509_AUX() failed (SSL: no start line)"),
        Some(FailureKind::BadFile { path: "/etc/ssl/empty.pem".into() })
    );
    assert_eq!(says("bind() to 0.0.0.0:80 failed (98: Address already in use)"), in_use("0.0.0.0:80"));
    assert_eq!(
        says("bind() to 10.9.9.9:8088 failed (99: Cannot assign requested address)"),
        not_available("10.9.9.9:8088")
    );
    assert_eq!(says("bind() to 0.0.0.0:80 failed (13: Permission denied)"), bind_denied("0.0.0.0:80"));
    assert_eq!(
        says("socket() [::]:80 failed (97: Address family not supported by protocol)"),
        Some(FailureKind::FamilyUnsupported { address: Some("[::]:80".into()) })
    );
    assert_eq!(
        says("host not found in upstream \"backend-nope\" in /etc/nginx/sites-enabled/default:48"),
        upstream("backend-nope", "/etc/nginx/sites-enabled/default", 48)
    );
    assert_eq!(
        says("open() \"/run/nginx.pid\" failed (30: Read-only file system)"),
        Some(FailureKind::ReadOnly { path: "/run/nginx.pid".into() })
    );
}

#[test]
fn sshd() {
    let says = |message: &str| kind(&[&format!("sshd: {message}")]);
    assert_eq!(
        says("/etc/ssh/sshd_config.d/x.conf: line 1: Bad configuration option: PermitRootLogins"),
        syntax("/etc/ssh/sshd_config.d/x.conf", 1)
    );
    assert_eq!(says("/etc/ssh/sshd_config line 12: Badly formatted port number."), syntax("/etc/ssh/sshd_config", 12));
    assert_eq!(
        says("error: Bind to port 22 on 10.9.9.9 failed: Cannot assign requested address."),
        not_available("10.9.9.9:22")
    );
    assert_eq!(says("error: Bind to port 22 on :: failed: Address already in use."), in_use("[::]:22"));
    assert_eq!(says("error: Bind to port 2222 on 0.0.0.0 failed: Permission denied."), bind_denied("0.0.0.0:2222"));
    assert_eq!(says("sshd: no hostkeys available -- exiting."), Some(FailureKind::NoHostKeys));
    assert_eq!(
        says("Missing privilege separation directory: /run/sshd"),
        Some(FailureKind::RuntimeDir { path: "/run/sshd".into() })
    );
}

#[test]
fn bootstrap_checks() {
    let files = "max file descriptors [4096] for elasticsearch process is too low, increase to at least [65535]";
    let found = Some(FailureKind::Bootstrap { says: files.into() });
    assert_eq!(kind(&[&format!("elasticsearch: bootstrap check failure [1] of [2]: {files}")]), found);
    let older = "elasticsearch: ERROR: [2] bootstrap checks failed";
    assert_eq!(kind(&[older, &format!("elasticsearch: [1]: {files}")]), found);
}

#[test]
fn databases() {
    let pg = |m: &str| kind(&[&format!("postgresql@15-main: 2026-01-02 03:04:05.678 UTC [99] {m}")]);
    let conf = "/etc/postgresql/15/main/postgresql.conf";
    assert_eq!(pg(&format!("LOG:  syntax error in file \"{conf}\" line 60, near token \"x\"")), syntax(conf, 60));
    assert_eq!(
        pg(&format!("FATAL:  configuration file \"{conf}\" contains errors")),
        Some(FailureKind::ConfigSyntax { file: Some(conf.into()), line: None })
    );
    assert_eq!(
        kind(&[&format!("postgresql@15-main: Error: invalid line 817 in {conf}: max_connections = 100 200")]),
        syntax(conf, 817)
    );
    assert_eq!(
        pg("FATAL:  could not write lock file \"postmaster.pid\": No space left on device"),
        Some(FailureKind::DiskFull)
    );
    assert_eq!(
        pg("LOG:  could not bind IPv4 address \"10.9.9.9\": Cannot assign requested address"),
        not_available("10.9.9.9")
    );
    assert_eq!(
        kind(&[
            "postgresql@15-main: LOG:  could not bind IPv4 address \"127.0.0.1\": Address already in use",
            "postgresql@15-main: HINT:  Is another postmaster already running on port 5433? If not, wait a few seconds.",
        ]),
        in_use("127.0.0.1:5433")
    );
    let maria = |m: &str| kind(&[&format!("mariadbd: 2026-01-02  3:04:05 0 [ERROR] {m}")]);
    assert_eq!(
        maria("Can't start server: Bind on TCP/IP port. Got error: 98: Address already in use"),
        Some(FailureKind::AddressInUse { address: None })
    );
    assert_eq!(
        maria("/usr/sbin/mariadbd: unknown variable 'bnd-address=1'"),
        Some(FailureKind::ConfigSyntax { file: None, line: None })
    );
    assert_eq!(
        maria("Error writing file '/var/lib/mysql/ddl_recovery.log' (Errcode: 28 \"No space left on device\")"),
        Some(FailureKind::DiskFull)
    );
    assert_eq!(
        kind(&[
            "mariadbd: error: Found option without preceding group in config file: /etc/mysql/conf.d/x.cnf at line: 3"
        ]),
        syntax("/etc/mysql/conf.d/x.cnf", 3)
    );
}

#[test]
fn redis_spreads_one_failure_over_lines() {
    let failure = of_start(&entries(&[
        "redis-server: *** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***",
        "redis-server: Reading the configuration file, at line 88",
        "redis-server: >>> 'bnd 127.0.0.1'",
    ]))
    .unwrap();
    assert_eq!(failure.kind, FailureKind::ConfigSyntax { file: None, line: Some(88) });
    assert_eq!(
        kind(&[
            "redis-server: Warning: Could not create server TCP listening socket 10.9.9.9:6379: bind: Cannot assign \
             requested address"
        ]),
        not_available("10.9.9.9:6379")
    );
    assert_eq!(kind(&["redis-server: Configured to not listen anywhere, exiting."]), Some(FailureKind::ListensNowhere));
}

#[test]
fn other_servers() {
    assert_eq!(
        kind(&["apachectl: AH00526: Syntax error on line 3 of /etc/apache2/ports.conf:"]),
        syntax("/etc/apache2/ports.conf", 3)
    );
    assert_eq!(
        kind(&[
            "apachectl: AH00526: Syntax error on line 8 of /etc/apache2/sites-enabled/ssl.conf:",
            "apachectl: SSLCertificateFile: file '/etc/ssl/nope.pem' does not exist or is empty",
        ]),
        missing("/etc/ssl/nope.pem")
    );
    assert_eq!(
        kind(&[
            "apachectl: (98)Address already in use: AH00072: make_sock: could not bind to address 0.0.0.0:80",
            "apachectl: no listening sockets available, shutting down",
        ]),
        in_use("0.0.0.0:80")
    );
    assert_eq!(
        kind(&[
            "haproxy: [ALERT]    (81) : config : parsing [/etc/haproxy/haproxy.cfg:36] : unknown keyword 'bnd' in 'listen'"
        ]),
        syntax("/etc/haproxy/haproxy.cfg", 36)
    );
    assert_eq!(
        kind(&[
            "haproxy: [ALERT]    (81) : Binding [/etc/haproxy/haproxy.cfg:37] for frontend web: cannot bind socket \
             (Cannot assign requested address) [10.9.9.9:80]"
        ]),
        not_available("10.9.9.9:80")
    );
    assert_eq!(
        kind(&[
            "haproxy: [ALERT]    (81) : config : [/etc/haproxy/haproxy.cfg:40] : 'server b/s1' : could not resolve \
             address 'backend-nope'."
        ]),
        upstream("backend-nope", "/etc/haproxy/haproxy.cfg", 40)
    );
    assert_eq!(
        kind(&["vsftpd: 500 OOPS: could not bind listening IPv4 socket"]),
        Some(FailureKind::BindFailed { address: None })
    );
    assert_eq!(kind(&["memcached: failed to listen on TCP port 11211: Address already in use"]), in_use(":11211"));
    assert_eq!(
        kind(&["dnsmasq: failed to create listening socket for port 53: Address already in use"]),
        in_use(":53")
    );
    assert_eq!(kind(&["dnsmasq: bad option at line 3 of /etc/dnsmasq.conf"]), syntax("/etc/dnsmasq.conf", 3));
    assert_eq!(
        kind(&["systemd: ssh.socket: Failed to create listening socket ([::]:22): Address already in use"]),
        in_use("[::]:22")
    );
}

#[test]
fn runtimes() {
    assert_eq!(
        kind(&["app: listen tcp 192.168.1.49:8080: bind: cannot assign requested address"]),
        not_available("192.168.1.49:8080")
    );
    assert_eq!(kind(&["app: listen tcp :80: bind: permission denied"]), bind_denied(":80"));
    assert_eq!(
        kind(&["dockerd: Error starting: listen tcp4 0.0.0.0:8080: bind: address already in use"]),
        in_use("0.0.0.0:8080")
    );
    assert_eq!(kind(&["node: Error: listen EADDRINUSE: address already in use :::3000"]), in_use(":::3000"));
    assert_eq!(kind(&["node: Error: listen EACCES: permission denied 0.0.0.0:80"]), bind_denied("0.0.0.0:80"));
    assert_eq!(kind(&["gunicorn: [ERROR] Connection in use: ('127.0.0.1', 5000)"]), in_use("127.0.0.1:5000"));
    assert_eq!(
        kind(&["python3: OSError: [Errno 98] Address already in use"]),
        Some(FailureKind::AddressInUse { address: None })
    );
    assert_eq!(
        kind(&["python3: OSError: [Errno 99] Cannot assign requested address"]),
        Some(FailureKind::AddressNotAvailable { address: None })
    );
    assert_eq!(
        kind(&[
            "python3:     self.socket.bind(self.server_address)",
            "python3: PermissionError: [Errno 13] Permission denied"
        ]),
        Some(FailureKind::BindDenied { address: None })
    );
    assert_eq!(
        kind(&["python3: PermissionError: [Errno 13] Permission denied: '/srv/app.conf'"]),
        Some(FailureKind::FileDenied { path: "/srv/app.conf".into() })
    );
    assert_eq!(
        kind(&["java: java.net.BindException: Address already in use (Bind failed)"]),
        Some(FailureKind::AddressInUse { address: None })
    );
    assert_eq!(
        kind(&["systemd: x.service: Failed at step EXEC spawning /usr/local/bin/x: No such file or directory"]),
        missing("/usr/local/bin/x")
    );
    assert_eq!(
        kind(&["systemd: x.service: Failed at step NAMESPACE spawning /usr/bin/x: No such file or directory"]),
        Some(FailureKind::Sandbox { step: "NAMESPACE".into() })
    );
}

#[test]
fn what_systemd_says_when_the_daemon_says_nothing() {
    let says = |m: &str| kind(&["systemd: Starting x.service - X...", &format!("systemd: x.service: {m}")]);
    assert_eq!(says("Main process exited, code=dumped, status=11/SEGV"), Some(FailureKind::Signal(11)));
    assert_eq!(says("Control process exited, code=exited, status=1/FAILURE"), Some(FailureKind::Exit(1)));
    assert_eq!(says("A process of this unit has been killed by the OOM killer."), Some(FailureKind::OomKilled));
    assert_eq!(says("Job x.service/start failed with result 'dependency'."), Some(FailureKind::Dependency));
    assert_eq!(
        kind(&[
            "systemd: x.service: start operation timed out. Terminating.",
            "systemd: x.service: Main process exited, code=killed, status=15/TERM",
            "systemd: x.service: Failed with result 'timeout'.",
        ]),
        Some(FailureKind::Timeout)
    );
    assert_eq!(
        kind(&[
            "systemd: x.service: Service reached runtime time limit. Stopping.",
            "systemd: x.service: Failed with result 'timeout'.",
        ]),
        Some(FailureKind::RunTimeLimit)
    );
    assert_eq!(kind(&["systemd: Started x.service - X.", "app: ready"]), None);
}

#[test]
fn the_first_failure_of_a_restart_loop_is_the_one_that_counts() {
    let failure = of_start(&entries(&[
        "systemd: Started app.service - App.",
        "app: listen tcp 10.9.9.9:80: bind: cannot assign requested address",
        "systemd: app.service: Main process exited, code=exited, status=1/FAILURE",
        "systemd: app.service: Failed with result 'exit-code'.",
        "systemd: app.service: Scheduled restart job, restart counter is at 1.",
        "systemd: Started app.service - App.",
        "app: listen tcp 10.9.9.9:80: bind: address already in use",
        "systemd: app.service: Main process exited, code=exited, status=1/FAILURE",
        "systemd: app.service: Start request repeated too quickly.",
    ]));
    assert_eq!(failure.map(|f| f.kind), not_available("10.9.9.9:80"));
}

#[test]
fn complaints_that_were_survived_are_no_reason() {
    let mut lines = entries(&[
        "systemd: Started app.service - App.",
        "app: listen tcp 10.9.9.9:81: bind: cannot assign requested address",
        "systemd: app.service: Main process exited, code=dumped, status=11/SEGV",
    ]);
    lines[2].at_us += 3_600_000_000;
    assert_eq!(of_start(&lines).map(|f| f.kind), Some(FailureKind::Signal(11)));
}

fn failure_of(case: &Case) -> Option<Failure> {
    let look = Look::new(case);
    first_failure(&look, look.unit("nginx.service").unwrap())
}

fn ended_with(result: &'static str, lines: &[&str]) -> Option<Failure> {
    let host = Host::refusing(80).claimed_by("nginx.service").journal("nginx.service", lines);
    let host = host.unit("nginx.service", |u| {
        u.active_state = "failed".into();
        let service = u.service.as_mut().unwrap();
        service.result = result.into();
        service.failed_command = Some(("/usr/sbin/nginx -t".into(), 1));
    });
    failure_of(&host.case())
}

#[test]
fn the_units_own_state_stands_in_for_a_silent_journal() {
    let known = ended_with("exit-code", &["nginx: [emerg] invalid port in \"x\" in /etc/nginx/nginx.conf:7"]).unwrap();
    assert_eq!(Some(known.kind), syntax("/etc/nginx/nginx.conf", 7));
    assert!(known.entry.unwrap().message.starts_with("[emerg]"));
    let without_entry = |kind| Some(Failure { kind, entry: None, last_words: Vec::new() });
    assert_eq!(ended_with("exit-code", &[]), without_entry(FailureKind::Exit(1)));
    assert_eq!(ended_with("oom-kill", &[]), without_entry(FailureKind::OomKilled));
}

#[test]
fn what_the_daemon_said_last_is_kept_where_nobody_recognises_it() {
    let failure = of_start(&entries(&[
        "systemd: Started shop.service - The shop.",
        "python3: the licence for port 8000 has run out",
        "systemd: shop.service: Main process exited, code=exited, status=1/FAILURE",
        "systemd: shop.service: Failed with result 'exit-code'.",
    ]))
    .unwrap();
    assert_eq!(failure.kind, FailureKind::Exit(1));
    let words: Vec<&str> = failure.last_words.iter().map(|e| e.message.as_str()).collect();
    assert_eq!(words, ["the licence for port 8000 has run out"]);
}

#[test]
fn a_unit_that_got_over_its_failure_has_none() {
    let runs_for = |seconds: u64| {
        let host = Host::refusing(80).claimed_by("nginx.service");
        let lines = ["nginx: [emerg] invalid port in \"x\" in /etc/nginx/nginx.conf:7"];
        let host = host.journal("nginx.service", &lines).unit("nginx.service", |u| {
            u.active_state = "active".into();
            let service = u.service.as_mut().unwrap();
            (service.restarts, service.main_pid, service.started_us) = (1, 9, 1_000_000_000);
        });
        failure_of(&host.facts(|f| seen_at(f, "nginx.service", 1_000_000 + seconds * 1000)).case())
    };
    assert_eq!(runs_for(3).map(|f| f.kind), syntax("/etc/nginx/nginx.conf", 7));
    assert_eq!(runs_for(300), None);
}

/// Says when a unit was looked at.
fn seen_at(facts: &mut crate::facts::Facts, unit: &str, at_ms: u64) {
    let Some(Reading::Known(known)) = facts.units.get_mut(unit) else { panic!("no such unit") };
    known.at_ms = at_ms;
}

#[test]
fn a_healthy_unit_has_no_failure_whatever_its_journal_holds() {
    let lines = ["nginx: [emerg] invalid port in \"x\" in /etc/nginx/nginx.conf:7"];
    let host = Host::refusing(80).claimed_by("nginx.service").journal("nginx.service", &lines);
    let host = host.unit("nginx.service", |u| {
        u.active_state = "active".into();
        u.service.as_mut().unwrap().result = "success".into();
    });
    assert_eq!(failure_of(&host.case()), None);
}

#[test]
fn the_first_error_of_a_daemon_is_told_and_not_that_it_aborts() {
    let failure = of_start(&entries(&[
        "mariadbd: 2026-01-02  3:04:05 0 [ERROR] InnoDB: Cannot open datafile 'ibdata1'",
        "mariadbd: 2026-01-02  3:04:05 0 [Note] Plugin 'FEEDBACK' is disabled.",
        "mariadbd: 2026-01-02  3:04:05 0 [ERROR] Unknown/unsupported storage engine: InnoDB",
        "mariadbd: 2026-01-02  3:04:05 0 [ERROR] Aborting",
        "mariadbd: ",
        "systemd: mariadb.service: Main process exited, code=exited, status=1/FAILURE",
    ]))
    .unwrap();
    assert!(failure.telling().unwrap().message.ends_with("'ibdata1'"), "{failure:?}");
}

#[test]
fn a_crash_that_a_daemon_reports_itself_is_one_line() {
    let failure = of_start(&entries(&[
        "redis-server: Redis 7.0.15 crashed by signal: 11, si_code: 0",
        "redis-server: Bio worker thread #0 terminated",
        "systemd: redis-server.service: Main process exited, code=killed, status=11/SEGV",
    ]))
    .unwrap();
    assert_eq!(failure.kind, FailureKind::Signal(11));
    assert_eq!(failure.last_words.len(), 1);
}
