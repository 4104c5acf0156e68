//! What others meet below the interface that has the address, and beside the rules: what a client in another network
//! namespace really gets, and what the program says of that client.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use libtest_mimic::Failed;
use nix::sched::{CloneFlags, setns};
use unrefuse::check::settle;
use unrefuse::diagnose::chart::BoxId;
use unrefuse::diagnose::verdict::{Diagnosis, Verdict};
use unrefuse::facts::Case;
use unrefuse::facts::connect::Outcome as Got;
use unrefuse::report::Report;
use unrefuse::target::{From, Target};

use super::rules::load;
use super::space::{Outcome, run};

/// A client's network namespace at the other end of `near`.
struct Far {
    holder: Child,
}

impl Drop for Far {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Far {
    /// The wire `near` leads to `far` there.
    fn wired(near: &str, address: &str) -> Result<Self, Failed> {
        let mut holder = Command::new("unshare")
            .args(["-n", "sh", "-c", "echo ready; exec sleep 300"])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut ready = String::new();
        BufReader::new(holder.stdout.take().ok_or("no output")?).read_line(&mut ready)?;
        let far = Self { holder };
        let pid = far.holder.id().to_string();
        run("ip", &["link", "add", near, "type", "veth", "peer", "name", "far", "netns", &pid])?;
        run("ip", &["link", "set", near, "up"])?;
        far.ip(&["link", "set", "far", "up"])?;
        far.ip(&["addr", "add", address, "dev", "far"])?;
        Ok(far)
    }

    fn ip(&self, words: &[&str]) -> Outcome {
        let pid = self.holder.id().to_string();
        run("nsenter", &[&["-t", &pid, "-n", "ip"], words].concat())?;
        Ok(())
    }

    /// What it gets.
    fn connect(&self, to: &str) -> Result<Got, Failed> {
        let space = File::open(format!("/proc/{}/ns/net", self.holder.id()))?;
        let to: SocketAddr = to.parse()?;
        let dial = move || -> Result<Got, Failed> {
            setns(&space, CloneFlags::CLONE_NEWNET)?;
            Ok(match TcpStream::connect_timeout(&to, Duration::from_millis(1500)) {
                Ok(_) => Got::Open,
                Err(why) if why.kind() == ErrorKind::ConnectionRefused => Got::Refused,
                Err(why) if matches!(why.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => Got::Timeout,
                Err(why) => return Err(why.into()),
            })
        };
        std::thread::spawn(dial).join().map_err(|_| "the client broke off")?
    }
}

/// What the program says that a client gets, and everything else it says.
fn told(target: &str, client: &str) -> Result<(Got, Diagnosis), Failed> {
    let case = Case::new(Target::parse(target).map_err(|e| e.to_string())?, From::Address(client.parse()?));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (case, diagnosis) = runtime.block_on(settle(case, Duration::from_secs(20)));
    runtime.shutdown_background();
    let outcome = Report { case: &case, diagnosis: &diagnosis, took: Duration::ZERO }.outcome();
    Ok((outcome, diagnosis))
}

/// The client really gets that, and the program says so.
fn both(far: &Far, target: &str, got: Got) -> Outcome {
    let (outcome, diagnosis) = told(target, "10.2.0.9")?;
    assert_eq!((far.connect(target)?, outcome), (got, got), "{diagnosis:#?}");
    Ok(())
}

/// What the client gets cannot be told, for this reason.
fn untold(target: &str, because: &str) -> Result<Diagnosis, Failed> {
    let (outcome, diagnosis) = told(target, "10.2.0.9")?;
    assert_eq!(outcome, Got::Error, "{diagnosis:#?}");
    let why = diagnosis.untold.as_deref().unwrap_or_default();
    assert!(why.contains(because), "{why}");
    assert_eq!(diagnosis.get(BoxId::Firewall).map(|state| state.verdict), Some(Verdict::Unknown));
    Ok(diagnosis)
}

const CLIENT: &str = "10.2.0.9/24";
const SERVER: &str = "10.2.0.2/24";

fn ingress(devices: &str, rule: &str) -> Outcome {
    load(&format!(
        "table netdev early {{\nchain at {{\ntype filter hook ingress devices = {{ {devices} }} priority 0;\n{rule}\n}}\n}}\n"
    ))
}

fn ip(lines: &[&str]) -> Outcome {
    for line in lines {
        run("ip", &line.split(' ').collect::<Vec<_>>())?;
    }
    Ok(())
}

pub(crate) fn bridge() -> Outcome {
    let far = Far::wired("p1", CLIENT)?;
    ip(&["link add br0 type bridge", "link set p1 master br0", "link set br0 up"])?;
    ip(&[&format!("addr add {SERVER} dev br0")])?;
    let _open = [TcpListener::bind("10.2.0.2:80")?, TcpListener::bind("10.2.0.2:81")?];
    both(&far, "10.2.0.2:80", Got::Open)?;
    ingress("p1", "tcp dport 80 drop")?;
    both(&far, "10.2.0.2:80", Got::Timeout)?;
    both(&far, "10.2.0.2:81", Got::Open)?;
    assert!(told("10.2.0.2:80", "10.2.0.9")?.1.culprit == Some("fw-netdev-ingress"));
    // By another port everybody comes in.
    ip(&["link add p2 type veth peer name q2", "link set p2 up", "link set q2 up", "link set p2 master br0"])?;
    let port = untold("10.2.0.2:80", "it depends on whether it comes in by ")?.untold.unwrap_or_default();
    assert!(port.ends_with("p1 or p2") || port.ends_with("p2 or p1"), "{port}");
    both(&far, "10.2.0.2:81", Got::Open)?;
    run("nft", &["flush", "ruleset"])?;
    ingress("p1, p2", "tcp dport 80 reject with tcp reset")?;
    both(&far, "10.2.0.2:80", Got::Refused)?;
    run("nft", &["flush", "ruleset"])?;
    load("table bridge b {\nchain in {\ntype filter hook input priority 0;\ntcp dport 80 drop\n}\n}\n")?;
    assert_eq!(far.connect("10.2.0.2:80")?, Got::Timeout);
    untold("10.2.0.2:80", "the rules of table bridge b at br0 are not followed")?;
    Ok(())
}

pub(crate) fn parents() -> Outcome {
    let far = Far::wired("p1", CLIENT)?;
    ip(&["link add link p1 name upon type macvlan mode bridge", "link set upon up"])?;
    ip(&[&format!("addr add {SERVER} dev upon")])?;
    let _open = [TcpListener::bind("10.2.0.2:80")?, TcpListener::bind("10.2.0.2:81")?];
    both(&far, "10.2.0.2:80", Got::Open)?;
    ingress("p1", "tcp dport 80 drop")?;
    both(&far, "10.2.0.2:80", Got::Timeout)?;
    both(&far, "10.2.0.2:81", Got::Open)
}

/// VLANs, on kernels that have them.
pub(crate) fn vlan() -> Outcome {
    let far = Far::wired("p1", "10.77.0.9/24")?;
    if let Err(why) = far.ip(&["link", "add", "link", "far", "name", "v10", "type", "vlan", "id", "10"]) {
        eprintln!("not tried: {}", why.message().unwrap_or("no VLANs"));
        return Ok(());
    }
    far.ip(&["link", "set", "v10", "up"])?;
    far.ip(&["addr", "add", CLIENT, "dev", "v10"])?;
    ip(&["link add link p1 name p1.10 type vlan id 10", "link set p1.10 up"])?;
    ip(&[&format!("addr add {SERVER} dev p1.10")])?;
    let _open = [TcpListener::bind("10.2.0.2:80")?, TcpListener::bind("10.2.0.2:81")?];
    both(&far, "10.2.0.2:80", Got::Open)?;
    ingress("p1", "ip saddr 10.2.0.9 tcp dport 80 drop")?;
    both(&far, "10.2.0.2:80", Got::Timeout)?;
    both(&far, "10.2.0.2:81", Got::Open)?;
    run("nft", &["flush", "ruleset"])?;
    ingress("p1", "vlan id 10 tcp dport 80 drop")?;
    untold("10.2.0.2:80", "what the header of a VLAN says is not known")?;
    Ok(())
}

/// A VRF, on kernels that have them.
pub(crate) fn vrf() -> Outcome {
    let _far = Far::wired("p1", CLIENT)?;
    if let Err(why) = ip(&["link add blue type vrf table 10"]) {
        eprintln!("not tried: {}", why.message().unwrap_or("no VRFs"));
        return Ok(());
    }
    ip(&["link set blue up", "link set p1 master blue", &format!("addr add {SERVER} dev p1")])?;
    let _open = TcpListener::bind("10.2.0.2:80")?;
    untold("10.2.0.2:80", "the way through the VRF blue is not followed")?;
    Ok(())
}

pub(crate) fn zones() -> Outcome {
    let far = plain()?;
    let _open = TcpListener::bind("10.2.0.2:80")?;
    load(
        "table ip z {\nchain raw {\ntype filter hook prerouting priority raw;\niifname p1 ct zone set 5\n}\n\
          chain out {\ntype filter hook output priority 0;\nct state invalid drop\n}\n}\n",
    )?;
    assert_eq!(far.connect("10.2.0.2:80")?, Got::Timeout, "the answer is in no zone");
    untold("10.2.0.2:80", "zones are not followed")?;
    Ok(())
}

/// A client on `p1`.
fn plain() -> Result<Far, Failed> {
    let far = Far::wired("p1", CLIENT)?;
    ip(&[&format!("addr add {SERVER} dev p1")])?;
    Ok(far)
}

fn is_named(diagnosis: &Diagnosis) {
    let found = diagnosis.causes.iter().find(|finding| finding.cause == "fw-xdp-or-tc-bpf");
    assert!(found.is_some_and(|finding| finding.latent && finding.subject == "p1"), "{diagnosis:#?}");
}

/// `ldh [12]; jne #0x800; ldb [23]; jne #6; ldh [36]; jne #80; ret TC_ACT_SHOT; ret TC_ACT_UNSPEC`: IPv4, TCP, port 80.
const DROP_HTTP: &str = "8,40 0 0 12,21 0 5 2048,48 0 0 23,21 0 3 6,40 0 0 36,21 0 1 80,6 0 0 2,6 0 0 4294967295";

pub(crate) fn classifier() -> Outcome {
    let far = plain()?;
    let _open = TcpListener::bind("10.2.0.2:80")?;
    run("tc", &["qdisc", "add", "dev", "p1", "clsact"])?;
    both(&far, "10.2.0.2:80", Got::Open)?;
    run("tc", &["filter", "add", "dev", "p1", "ingress", "bpf", "da", "bytecode", DROP_HTTP])?;
    assert_eq!(far.connect("10.2.0.2:80")?, Got::Timeout);
    is_named(&untold("10.2.0.2:80", "a filter of tc (bpf) on p1 sees it before every rule")?);
    // Below a bridge it is as well.
    ip(&["link add br0 type bridge", "link set br0 up", "addr flush dev p1", "link set p1 master br0"])?;
    ip(&[&format!("addr add {SERVER} dev br0")])?;
    assert_eq!(far.connect("10.2.0.2:80")?, Got::Timeout);
    is_named(&untold("10.2.0.2:80", "a filter of tc (bpf) on p1 sees it before every rule")?);
    Ok(())
}

/// Loads `return XDP_DROP` and attaches it to the interface with the number that is its argument.
const XDP: &str = r#"
    $| = 1;
    my $bpf = { x86_64 => 321, aarch64 => 280 }->{(POSIX::uname())[4]};
    my ($code, $license) = (pack("H*", "b700000001000000" . "9500000000000000"), "GPL\0");
    my $load = pack("LLQQ", 6, 2, unpack("Q", pack("P", $code)), unpack("Q", pack("P", $license))) . "\0" x 48;
    my $program = syscall($bpf, 5, $load, length $load);
    die "loading: $!" if $program < 0;
    my $attach = pack("LLLL", $program, $ARGV[0], 37, 2) . "\0" x 48;
    my $link = syscall($bpf, 28, $attach, length $attach);
    die "attaching: $!" if $link < 0;
    print "ready\n";
    sleep 300;
"#;

pub(crate) fn xdp() -> Outcome {
    let far = plain()?;
    let _open = TcpListener::bind("10.2.0.2:80")?;
    let number = index_of("p1")?;
    let program = Command::new("perl").args(["-MPOSIX", "-e", XDP, number.trim()]).stdout(Stdio::piped()).spawn()?;
    let mut program = Far { holder: program };
    let mut ready = String::new();
    BufReader::new(program.holder.stdout.take().ok_or("no output")?).read_line(&mut ready)?;
    assert_eq!(ready, "ready\n", "the program could not be attached (its message is above)");
    assert_eq!(far.connect("10.2.0.2:80")?, Got::Timeout);
    is_named(&untold("10.2.0.2:80", "on p1 sees it before every rule")?);
    drop(program);
    both(&far, "10.2.0.2:80", Got::Open)
}

fn index_of(name: &str) -> Result<String, Failed> {
    let shown = run("ip", &["-o", "link", "show", name])?;
    Ok(shown.split(':').next().unwrap_or_default().to_owned())
}

pub(crate) fn loopback() -> Outcome {
    let far = plain()?;
    let _open = TcpListener::bind("127.0.0.1:8080")?;
    load(
        "table ip n {\nchain pre {\ntype nat hook prerouting priority dstnat;\n\
          tcp dport 80 dnat to 127.0.0.1:8080\ntcp dport 81 dnat to 10.3.0.2:80\n}\n}\n",
    )?;
    both(&far, "10.2.0.2:80", Got::Timeout)?;
    let setting = "/proc/sys/net/ipv4/conf/p1/route_localnet";
    std::fs::write(setting, "1")?;
    both(&far, "10.2.0.2:80", Got::Open)?;
    ip(&["route add 10.3.0.0/24 dev p1"])?;
    both(&far, "10.2.0.2:81", Got::Timeout)?;
    let (_, diagnosis) = told("10.2.0.2:81", "10.2.0.9")?;
    let says = &diagnosis.get(BoxId::Firewall).ok_or("no box")?.summary;
    assert!(says.contains("this host does not forward"), "{says}");
    Ok(())
}
