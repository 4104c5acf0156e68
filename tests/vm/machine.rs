//! One virtual machine: it goes on from the kept memory, does what it is told over a serial line, and is gone with the value.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use crate::cmd::{Ran, Step, While, command, ok, succeeded, wait_until};
use crate::image::Boot;
use crate::root::lab_dir;

/// What of a machine is kept in its memory, and must be the same when it goes on.
pub(crate) const SHAPE: &str = "-M q35 -accel tcg,tb-size=256 -cpu max -smp 2 -m 1024 -nodefaults -display none \
    -no-reboot -monitor none";
const KERNEL_WORDS: &str =
    "console=ttyS0 quiet panic=-1 mitigations=off nokaslr audit_backlog_limit=8192 net.ifnames=0 systemd.show_status=0";

/// What is handed in fits in here.
const HANDED_IN: u64 = 64 << 20;
/// Where the program under test appears inside.
pub(crate) const PROGRAM_INSIDE: &str = "/usr/local/bin/unrefuse";
/// No command inside may take longer.
const PATIENCE: Duration = Duration::from_secs(180);

/// A machine that runs.
#[derive(Debug)]
pub(crate) struct Machine {
    qemu: Child,
    tell: Mutex<ChildStdin>,
    answers: Mutex<Receiver<Answer>>,
    dir: PathBuf,
}

/// What comes over the serial line.
#[derive(Debug)]
enum Answer {
    Ready,
    Alive,
    Done(Ran),
}

/// Boots a disk and keeps it with the machine's memory once it is ready.
pub(crate) fn keep(at: &Path, boot: Boot, within: Duration) -> Step {
    let kept = at.join(boot.name());
    fs::create_dir_all(&kept).while_(format!("making {}", kept.display()))?;
    let disk = kept.join("disk");
    ok(command(&["cp", "--sparse=always"]).arg(at.join("disk")).arg(&disk))?;
    let (blank, monitor) = (kept.join("handed-in"), kept.join("monitor"));
    make_blank(&blank)?;
    let mut qemu = qemu(at, boot, (&disk, ""), &blank, &kept.join("console"));
    qemu.arg("-mon").arg("chardev=m,mode=readline");
    qemu.arg("-chardev").arg(format!("socket,id=m,server=on,wait=off,path={}", monitor.display()));
    let mut machine = Machine::start(qemu, kept.clone())?;
    machine.answer(within).map_err(|why| format!("{why}\nconsole:\n{}", console(&kept)))?;
    // What still starts settles.
    machine.run_line("systemctl is-system-running --wait; sync")?;
    machine.tell("beat\n")?;
    machine.answer(within)?;
    let mut say = UnixStream::connect(&monitor).while_("connecting to the monitor")?;
    let state = kept.join("memory");
    let words = format!("migrate_set_parameter max-bandwidth 0\nmigrate \"exec:cat >{}\"\nquit\n", state.display());
    say.write_all(words.as_bytes()).while_("telling the monitor")?;
    // It ends once it is told to quit; what the monitor prints meanwhile has to be read.
    let mut printed = Vec::new();
    let _ = say.read_to_end(&mut printed);
    wait_until("the machine has ended", within, || {
        machine.qemu.try_wait().map(|ended| ended.is_some()).while_("waiting for qemu")
    })?;
    for file in [&blank, &monitor] {
        let _ = fs::remove_file(file);
    }
    let size = fs::metadata(&state).map_or(0, |meta| meta.len());
    let told = || format!("the memory was not kept: {}", String::from_utf8_lossy(&printed));
    machine.dir = PathBuf::new();
    if size > 1 << 20 { Ok(()) } else { Err(told()) }
}

impl Machine {
    /// Goes on with a kept machine, with the program under test in it.
    pub(crate) fn resume(at: &Path, boot: Boot) -> Step<Self> {
        let dir = tempfile::Builder::new()
            .prefix("vm-run-")
            .tempdir_in(lab_dir())
            .while_("making a place for the machine")?
            .keep();
        let handed_in = dir.join("handed-in");
        let size = hand_in(&handed_in)?;
        let kept = at.join(boot.name());
        let mut qemu = qemu(at, boot, (&kept.join("disk"), ",snapshot=on"), &handed_in, &dir.join("console"));
        qemu.env("TMPDIR", &dir);
        qemu.arg("-incoming").arg(format!("exec:cat {}", kept.join("memory").display()));
        let machine = Self::start(qemu, dir)?;
        machine.answer(PATIENCE).map_err(|why| format!("going on with the kept memory: {why}"))?;
        let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        let blocks = size.div_ceil(256 << 10);
        machine.sh(&format!(
            "date -s @{now} >/dev/null; dd if=/dev/vdb iflag=direct bs=256k count={blocks} 2>/dev/null | \
             tar -xf - -C /usr/local/bin; if selinuxenabled; then restorecon {PROGRAM_INSIDE}; fi"
        ))?;
        Ok(machine)
    }

    fn start(mut qemu: Command, dir: PathBuf) -> Step<Self> {
        let mut qemu = qemu.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().while_("starting qemu")?;
        let (Some(stdin), Some(stdout)) = (qemu.stdin.take(), qemu.stdout.take()) else {
            return Err("qemu has no serial line".to_owned());
        };
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            let mut line = BufReader::new(stdout);
            while let Some(answer) = answer(&mut line) {
                if sender.send(answer).is_err() {
                    break;
                }
            }
        });
        Ok(Self { qemu, tell: Mutex::new(stdin), answers: Mutex::new(answers), dir })
    }

    /// Runs a line of shell inside that must succeed; what it printed.
    pub(crate) fn sh(&self, line: &str) -> Step<String> {
        succeeded(&format!("in the machine, `{line}`"), self.run_line(&format!("set -e\n{line}"))?)
    }

    /// Runs a line of shell inside that may fail.
    pub(crate) fn run_line(&self, line: &str) -> Step<Ran> {
        self.tell(&format!("{}\n{line}", line.len()))?;
        loop {
            let answer = self.answer(PATIENCE);
            match answer.map_err(|why| format!("`{line}`: {why}\nconsole:\n{}", console(&self.dir)))? {
                Answer::Done(ran) => return Ok(ran),
                Answer::Alive => {}
                Answer::Ready => return Err("the machine was booted anew".to_owned()),
            }
        }
    }

    fn tell(&self, words: &str) -> Step {
        let mut tell = self.tell.lock().map_err(|_| "the serial line is broken".to_owned())?;
        tell.write_all(words.as_bytes()).and_then(|()| tell.flush()).while_("telling the machine")
    }

    fn answer(&self, within: Duration) -> Step<Answer> {
        let answers = self.answers.lock().map_err(|_| "the serial line is broken".to_owned())?;
        answers.recv_timeout(within).while_(format!("waiting {} s for the machine", within.as_secs()))
    }
}

/// The next answer on the line; none when it has ended or holds something else.
fn answer(line: &mut BufReader<ChildStdout>) -> Option<Answer> {
    let mut head = String::new();
    line.read_line(&mut head).ok().filter(|read| *read > 0)?;
    match head.trim() {
        "ready" => return Some(Answer::Ready),
        "alive" => return Some(Answer::Alive),
        _ => {}
    }
    let ["done", code, out, err] = head.split_whitespace().collect::<Vec<_>>()[..] else { return None };
    let mut text = |length: &str| {
        let mut bytes = vec![0; length.parse().ok()?];
        line.read_exact(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let (stdout, stderr) = (text(out)?, text(err)?);
    Some(Answer::Done(Ran { code: code.parse().ok()?, stdout, stderr }))
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already; waiting tells.
        drop(self.qemu.kill());
        drop(self.qemu.wait());
        if self.dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vm-run-")) {
            drop(fs::remove_dir_all(&self.dir));
        }
    }
}

/// The disk with how it is opened, what is handed in, and where the console goes.
fn qemu(at: &Path, boot: Boot, (disk, how): (&Path, &str), handed_in: &Path, console: &Path) -> Command {
    let mut qemu = command(&["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"]);
    qemu.args(SHAPE.split_whitespace());
    qemu.arg("-kernel").arg(at.join("vmlinuz")).arg("-initrd").arg(at.join("initrd"));
    qemu.arg("-append").arg(format!("{KERNEL_WORDS} {}", boot.kernel_words()));
    for (id, file, how) in [("a", disk, how), ("b", handed_in, "")] {
        qemu.arg("-drive").arg(format!("file={},format=raw,if=none,id={id},cache=unsafe{how}", file.display()));
        qemu.arg("-device").arg(format!("virtio-blk-pci,drive={id}"));
    }
    qemu.arg("-serial").arg(format!("file:{}", console.display())).args(["-serial", "stdio"]);
    qemu
}

/// A file of the size that the machine expects, with the program under test as a tar in it; the size of that.
fn hand_in(file: &Path) -> Step<u64> {
    static TAR: OnceLock<Step<Vec<u8>>> = OnceLock::new();
    let tar = TAR.get_or_init(stripped_program).as_ref().map_err(Clone::clone)?;
    fs::write(file, tar).while_(format!("writing {}", file.display()))?;
    let size = tar.len() as u64;
    if size > HANDED_IN {
        return Err(format!("the program is too big for the machine: {} MiB", size >> 20));
    }
    File::options().write(true).open(file).and_then(|f| f.set_len(HANDED_IN)).while_("making room")?;
    Ok(size)
}

/// A tar with the program under test, without what debuggers want.
fn stripped_program() -> Step<Vec<u8>> {
    let dir = tempfile::tempdir().while_("making a place for the program")?;
    let to = dir.path().join("unrefuse");
    ok(command(&["strip", "-o"]).arg(&to).arg(env!("CARGO_BIN_EXE_unrefuse")))?;
    ok(command(&["tar", "-H", "ustar", "--owner=0", "--group=0", "-cf", "tar", "unrefuse"]).current_dir(dir.path()))?;
    fs::read(dir.path().join("tar")).while_("reading the program")
}

fn make_blank(file: &Path) -> Step {
    File::create(file).and_then(|f| f.set_len(HANDED_IN)).while_(format!("making {}", file.display()))
}

fn console(dir: &Path) -> String {
    let text = fs::read(dir.join("console")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).replace('\r', "");
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(25)..).unwrap_or_default().join("\n")
}
