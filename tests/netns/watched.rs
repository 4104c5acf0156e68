//! The kernel's own word about one attempt: its trace and the counters of its rules.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use socket2::{Domain, Socket, Type};
use unrefuse::facts::Reading;
use unrefuse::facts::connect::{Endpoint, Outcome as Got};
use unrefuse::facts::ruleset::{Backend, ChainId, Family, TableId};
use unrefuse::facts::watched::{Meaning, WatchKey, Watched, Word};
use unrefuse::sources::{tracefs, watched};

use super::space::{Outcome, run};

const PLACE: &str = "/sys/kernel/tracing";

/// Mounts tracefs for this thread and those it starts; false where the kernel has none.
fn tracing() -> Result<bool, Failed> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    if Path::new(PLACE).join("instances").exists() {
        return Ok(true);
    }
    let mounted = mount(Some("tracefs"), PLACE, Some("tracefs"), MsFlags::empty(), None::<&str>);
    if let Err(why) = &mounted {
        eprintln!("not traced: no tracefs here: {why}");
    }
    Ok(mounted.is_ok() && Path::new(PLACE).join("events/skb/kfree_skb").exists())
}

fn ours() -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(PLACE).join("instances")).into_iter().flatten().flatten();
    let own = format!("unrefuse-{}-", std::process::id());
    entries.map(|e| e.path()).filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&own))).collect()
}

fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn watch(to: &Endpoint, chains: Vec<ChainId>) -> Result<Watched, Failed> {
    let key = WatchKey { to: to.clone(), chains };
    let runtime = runtime()?;
    let reading = runtime.block_on(watched::watch(&key));
    runtime.shutdown_background();
    match reading {
        Reading::Known(known) => {
            let beside = known.took.saturating_sub(known.value.dial.after);
            eprintln!(
                "{to}: {:?}, beside the attempt {beside:?}: {:?} {:?}",
                known.value.dial.outcome, known.value.words, known.value.counted
            );
            Ok(known.value)
        }
        other @ (Reading::NotAsked
        | Reading::Pending
        | Reading::Absent
        | Reading::Denied { .. }
        | Reading::Failed { .. }
        | Reading::TimedOut { .. }) => Err(format!("{other:?}").into()),
    }
}

fn tcp(at: &str) -> Result<Endpoint, Failed> {
    Ok(Endpoint::Tcp(at.parse()?))
}

fn chain() -> ChainId {
    ChainId {
        table: TableId { backend: Backend::Nftables, family: Family::Inet, name: "fw".into() },
        name: "in".into(),
    }
}

fn rules() -> Outcome {
    run(
        "nft",
        &["
        add table inet fw
        add chain inet fw in { type filter hook input priority 0; }
        add rule inet fw in tcp dport 7001 counter drop
        add rule inet fw in tcp dport 7002 counter reject with tcp reset
        add rule inet fw in tcp dport 7003 counter reject
        add rule inet fw in udp dport 7001 counter drop
        add rule inet fw in counter accept
    "],
    )?;
    Ok(())
}

pub(crate) fn words() -> Outcome {
    if !tracing()? {
        return Ok(());
    }
    rules()?;
    let _dropped = TcpListener::bind("127.0.0.1:7001")?;
    let open = TcpListener::bind("[::]:7004")?;
    for loopback in ["127.0.0.1", "[::1]"] {
        let none = watch(&tcp(&format!("{loopback}:7009"))?, vec![])?;
        assert_eq!((none.dial.outcome, &none.untraced), (Got::Refused, &None));
        assert!(none.words.iter().any(Word::is_reset), "{none:?}");
        assert!(none.words.iter().any(|w| w.meaning() == Some(Meaning::NoSocket)), "{none:?}");
        for port in [7001, 7002, 7003] {
            let filtered = watch(&tcp(&format!("{loopback}:{port}"))?, vec![])?;
            assert!(!filtered.words.iter().any(Word::is_reset), "no TCP sent it: {filtered:?}");
            let first = filtered.words.first().ok_or_else(|| format!("nothing about {loopback}:{port}"))?;
            assert_eq!((first.meaning(), first.event.as_str()), (Some(Meaning::Filter), "kfree_skb"));
            assert!(first.after < Duration::from_millis(500), "{first:?}");
        }
        let answered = watch(&tcp(&format!("{loopback}:7004"))?, vec![])?;
        assert_eq!((answered.dial.outcome, answered.words.len()), (Got::Open, 0), "{answered:?}");
    }
    drop(open);
    let silent = watch(&Endpoint::Udp("127.0.0.1:7001".parse()?), vec![])?;
    assert!(silent.words.iter().any(|w| w.meaning() == Some(Meaning::Filter)), "{silent:?}");
    let closed = watch(&Endpoint::Udp("127.0.0.1:7009".parse()?), vec![])?;
    assert!(closed.words.iter().any(|w| w.meaning() == Some(Meaning::NoSocket)), "{closed:?}");
    Ok(())
}

/// A full accept queue: kernels that say so mean it; others say nothing, and nothing else either.
pub(crate) fn full_queue() -> Outcome {
    if !tracing()? {
        return Ok(());
    }
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let at: SocketAddr = "127.0.0.1:7005".parse()?;
    listener.bind(&at.into())?;
    listener.listen(0)?;
    let _waiting = std::net::TcpStream::connect(at)?;
    let full = watch(&Endpoint::Tcp(at), vec![])?;
    assert_eq!(full.dial.outcome, Got::Timeout);
    assert!(full.words.iter().all(|w| w.meaning() == Some(Meaning::Full)), "{full:?}");
    Ok(())
}

pub(crate) fn counters() -> Outcome {
    rules()?;
    let refused = watch(&tcp("127.0.0.1:7002")?, vec![chain()])?;
    let counted: Vec<u64> = refused.counted.iter().map(|(_, handle, _)| *handle).collect();
    let listed = run("nft", &["-a", "list", "chain", "inet", "fw", "in"])?;
    let handle_of =
        |port: &str| -> Option<u64> { listed.lines().find(|l| l.contains(port))?.rsplit(' ').next()?.parse().ok() };
    // The RST that the rule sends back passes the last rule.
    assert!(counted.contains(&handle_of("7002").ok_or("a handle")?), "{refused:?} {listed}");
    assert!(!counted.contains(&handle_of("7001").ok_or("a handle")?), "{refused:?}");
    Ok(())
}

pub(crate) fn tidy() -> Outcome {
    if !tracing()? {
        return Ok(());
    }
    let instances = Path::new(PLACE).join("instances");
    let space = std::os::unix::fs::MetadataExt::ino(&fs::metadata("/proc/self/ns/pid")?);
    // Of a process that is dead: numbers end at 4,194,304.
    let stale = instances.join(format!("unrefuse-4999999-{space}-0"));
    let foreign = instances.join(format!("unrefuse-4999999-{}-0", space + 1));
    fs::create_dir(&stale)?;
    fs::create_dir(&foreign)?;
    let seen = watch(&tcp("127.0.0.1:7009")?, vec![]);
    let kept = (stale.exists(), foreign.exists());
    fs::remove_dir(&foreign)?;
    assert_eq!(kept, (false, true), "what a dead process of this pid namespace left is removed");
    assert_eq!(seen?.untraced, None);
    assert_eq!(ours(), Vec::<PathBuf>::new());
    // An attempt that is given up in the middle: nobody answers on port 7001.
    rules()?;
    let at: SocketAddr = "127.0.0.1:7001".parse()?;
    let runtime = runtime()?;
    let key = WatchKey { to: Endpoint::Tcp(at), chains: vec![] };
    let given_up =
        runtime.block_on(async { tokio::time::timeout(Duration::from_millis(400), watched::watch(&key)).await });
    assert!(given_up.is_err(), "{given_up:?}");
    assert_eq!(ours(), Vec::<PathBuf>::new(), "removed with the future");
    // And one that the end of the program overtakes.
    let instance = tracefs::Instance::begin(1, 0x0800)?;
    assert_eq!(ours().len(), 1);
    tracefs::remove_all();
    assert_eq!(ours(), Vec::<PathBuf>::new());
    drop(instance);
    // A panic.
    let broken = std::thread::spawn(|| {
        let _instance = tracefs::Instance::begin(1, 0x0800);
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(broken.join().is_err());
    assert_eq!(ours(), Vec::<PathBuf>::new());
    let began = Instant::now();
    let rounds = 5;
    for _ in 0..rounds {
        watch(&tcp("127.0.0.1:7009")?, vec![chain()])?;
    }
    let each = began.elapsed() / rounds;
    eprintln!("an attempt watched takes {each:?}");
    Ok(())
}

/// Where nothing is mounted the attempt is made all the same.
pub(crate) fn untraced() -> Outcome {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    mount(Some("tmpfs"), "/sys/kernel", Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
    let refused = watch(&tcp("127.0.0.1:7009")?, vec![])?;
    assert_eq!(refused.dial.outcome, Got::Refused);
    assert!(refused.untraced.is_some_and(|why| why.starts_with("tracefs is not mounted")));
    Ok(())
}
