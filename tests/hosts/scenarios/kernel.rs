//! The kernel drops or forbids without any rule that says so: a full table of connections, a BPF program.

use super::steps::start;
use crate::cmd::Step;
use crate::dial::Outcome::Timeout;
use crate::host::Host;
use crate::scenario::{Needs, SCENARIO, Scenario, client, fails};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "fw-conntrack-table-full",
        name: "nginx",
        break_it: |host| {
            start(host, "nginx")?;
            let chain = "chain input { type filter hook input priority filter; ct state established,related accept; }";
            host.write("/tmp/rules.nft", &format!("table inet filter {{\n{chain}\n}}\n"))?;
            host.run(&["nft", "-f", "/tmp/rules.nft"])?;
            python(host, FILL, "")
        },
        seen: &[client("10.2.0.2:80", Timeout)],
        target: "80",
        expect: fails("fw-conntrack-table-full", "timeout", &["connections are tracked"]),
        // Without rules that ask for it nothing is tracked.
        repair: Some(|host| host.sh("nft flush ruleset")),
        ..SCENARIO
    },
    Scenario {
        cause: "fw-cgroup-bpf",
        name: "no-connection-from-a-slice",
        network: |lab| lab.serve("client", ELSEWHERE),
        break_it: |host| {
            host.run(&["systemctl", "start", "guarded.slice"])?;
            python(host, FORBID, "/sys/fs/cgroup/guarded.slice")
        },
        target: ELSEWHERE,
        asked_by: "slice guarded.slice",
        expect: fails("fw-cgroup-bpf", "denied", &["EPERM"]),
        needs: Needs::AllPowers,
        ..SCENARIO
    },
];

/// A server on the client's end.
const ELSEWHERE: &str = "10.1.0.2:8025";

/// Fills the table with established connections: unanswered ones would make room for new ones. `nf_conntrack_max` is one
/// for the whole kernel, and can only be read here; what is tracked counts in each network namespace.
const FILL: &str = r"
import socket, struct
def attribute(kind, data):
    return struct.pack('=HH', 4 + len(data), kind) + data + bytes(-len(data) % 4)
def nest(kind, *parts):
    return attribute(kind | 0x8000, b''.join(parts))
def way(kind, source, target, sport, dport):
    addresses = nest(1, attribute(1, socket.inet_aton(source)), attribute(2, socket.inet_aton(target)))
    ports = attribute(2, struct.pack('!H', sport)) + attribute(3, struct.pack('!H', dport))
    return nest(kind, addresses, nest(2, attribute(1, bytes([6])), ports))
def connection(client, port):
    assured, seconds, established = 14, 600, bytes([3])
    body = bytes([2, 0, 0, 0]) + way(1, client, '10.2.0.2', port, 443) + way(2, '10.2.0.2', client, 443, port)
    body += attribute(3, struct.pack('!I', assured)) + attribute(7, struct.pack('!I', seconds))
    body += nest(4, nest(1, attribute(1, established)))
    create, new = 0x401, 256
    return struct.pack('=IHHII', 16 + len(body), new, create, 0, 0) + body
most = int(open('/proc/sys/net/netfilter/nf_conntrack_max').read())
kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
for start in range(0, most + 1000, 200):
    clients = [(n // 60000, 1024 + n % 60000) for n in range(start, start + 200)]
    kernel.send(b''.join(connection(f'10.9.{n // 256}.{n % 256}', port) for n, port in clients))
";

/// Attaches a program to a control group that forbids connect(), as sandboxes do: `r0 = 0; exit`.
const FORBID: &str = r"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
number = {'x86_64': 321, 'aarch64': 280}[os.uname().machine]
def bpf(command, attributes):
    got = libc.syscall(number, command, ctypes.create_string_buffer(attributes, 128), 128)
    if got < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return got
load, attach, sock_addr, inet4_connect, allow_multi = 5, 8, 18, 10, 2
code = ctypes.create_string_buffer(struct.pack('=BBhiBBhi', 0xb7, 0, 0, 0, 0x95, 0, 0, 0), 16)
terms = ctypes.create_string_buffer(b'GPL')
where = ctypes.addressof(code), ctypes.addressof(terms)
program = bpf(load, struct.pack('=IIQQIIQII16sII', sock_addr, 2, *where, 0, 0, 0, 0, 0, b'guard', 0, inet4_connect))
group = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
bpf(attach, struct.pack('=IIII', group, program, inet4_connect, allow_multi))
";

/// Runs a program in Python on the host.
fn python(host: &Host, program: &str, word: &str) -> Step {
    host.run(&["python3", "-c", program, word])
}
