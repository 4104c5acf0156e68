//! The facts of another host: unrefuse there answers, the system's ssh carries questions and answers.
//!
//! One ssh, one command: a small script starts the unrefuse of that host, or takes in this one's own program where it has
//! none of the same version, into a directory that it removes at its end. From then on questions go in and facts come out, a
//! JSON line each. Whatever a login shell prints before is skipped; whatever ends the connection ends every question that
//! waits for an answer.

mod place;
mod serve;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

pub use place::Place;
pub use serve::serve;

use super::Arrival;
use crate::error::Error;
use crate::facts::{Fact, Question, Reading};
use crate::text;

/// The word that lets the program answer.
pub const ANSWER: &str = "answer-questions";
/// Version of the questions and answers.
const PROTOCOL: u32 = 1;
/// The script's first own word. A login shell may have said something before.
const MARK: &str = "unrefuse-far-end";
/// What a login shell may say before that, in bytes.
const CHATTER: u64 = 1 << 16;
/// Longest answer in bytes: a chain of 100,000 rules has about 60 MB.
const LONGEST: u64 = 1 << 27;
/// How long ssh may take until the script speaks: with somebody at the terminal, who types a password, and without.
const UNTIL_THERE: [Duration; 2] = [Duration::from_secs(90), Duration::from_secs(15)];
/// How long sending the program and starting it may take.
const UNTIL_READY: Duration = Duration::from_secs(60);

/// A question on its way.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    number: u64,
    question: Question,
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Told {
    /// The first line.
    Hello(Hello),
    /// The answer to the question with this number.
    Fact {
        /// Number of the question.
        number: u64,
        /// Answer.
        fact: Box<Fact>,
    },
}

/// The first line of the other side.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Hello {
    protocol: u32,
    /// `SSH_CONNECTION`: our address and port as that host sees them, and its own.
    connection: Option<String>,
}

/// Another host that can be asked.
#[derive(Debug)]
pub struct Far {
    place: Place,
    hello: Hello,
    asks: mpsc::UnboundedSender<Ask>,
    waiting: Arc<Waiting>,
    arrivals: mpsc::Sender<Arrival>,
    // Kept: dropping it ends ssh.
    _ssh: Child,
}

/// Questions without an answer, and why there will be none.
#[derive(Debug, Default)]
struct Waiting {
    questions: Mutex<BTreeMap<u64, Question>>,
    /// How many were asked.
    asked: AtomicU64,
    over: Mutex<Option<String>>,
}

impl Waiting {
    fn questions(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Question>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn over(&self) -> Option<String> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Far {
    /// Connects; answers go to `arrivals`. `asks`: somebody sits at the terminal and can be asked for a password, so this
    /// comes before any full screen.
    pub async fn connect(place: Place, asks: bool, arrivals: mpsc::Sender<Arrival>) -> Result<Self, Error> {
        let mut argv = place.argv(asks);
        argv.push(script());
        let (program, words) = argv.split_first().ok_or_else(|| Error::broken("there is no ssh"))?;
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut ssh = command
            .spawn()
            .map_err(|e| Error::broken("ssh cannot be run").because(e).hint("install the ssh client of this system"))?;
        let (Some(mut to), Some(from), Some(errors)) = (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take()) else {
            return Err(Error::broken("ssh has no pipes"));
        };
        let said = tokio::spawn(last_words(errors));
        let mut from = BufReader::new(from);
        let [with, without] = UNTIL_THERE;
        let hello = async {
            let there = timed(if asks { with } else { without }, arrived(&mut from)).await?;
            timed(UNTIL_READY, ready(&there, &mut to, &mut from)).await
        };
        let hello = match hello.await {
            Ok(hello) => hello,
            Err(why) => {
                drop(to);
                let _ = ssh.start_kill();
                let said = said.await.unwrap_or_default();
                let why = if said.is_empty() { why } else { said };
                return Err(Error::broken(format!("{place} cannot be asked: {why}")));
            }
        };
        let (asks, asked) = mpsc::unbounded_channel();
        let waiting = Arc::new(Waiting::default());
        tokio::spawn(send(asked, to));
        tokio::spawn(receive(from, Arc::clone(&waiting), arrivals.clone(), place.to_string()));
        Ok(Self { place, hello, asks, waiting, arrivals, _ssh: ssh })
    }

    /// Asks; the answer arrives on the channel, also when there will be none.
    pub fn ask(&self, question: Question) {
        let number = self.waiting.asked.fetch_add(1, Ordering::Relaxed);
        self.waiting.questions().insert(number, question.clone());
        let gone = self.asks.send(Ask { number, question: question.clone() }).is_err();
        if let Some(why) =
            self.waiting.over().or_else(|| gone.then(|| format!("the connection to {} ended", self.place)))
        {
            let arrivals = self.arrivals.clone();
            tokio::spawn(async move {
                let fact = Fact::without_value(&question, Reading::Failed { why });
                let _ = arrivals.send(Arrival { generation: 0, fact }).await;
            });
        }
    }

    /// This host's address as that host sees it, and that host's own as this one reached it, where ssh tells.
    pub fn seen_as(&self) -> Option<(std::net::IpAddr, std::net::IpAddr)> {
        let mut words = self.hello.connection.as_deref()?.split(' ');
        Some((words.next()?.parse().ok()?, words.nth(1)?.parse().ok()?))
    }
}

/// What the script says first.
struct There {
    /// Kernel and architecture, where it has no program of this version.
    lacks: Option<String>,
}

/// Runs on the other host, as a word of `sh -c`: it must hold no single quote. In single quotes it means the same to
/// every login shell.
fn script() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "exec sh -c '\
LC_ALL=C; export LC_ALL
p=$(command -v unrefuse 2>/dev/null) || p=
if [ -n \"$p\" ] && [ \"$(\"$p\" --version 2>/dev/null)\" != \"unrefuse {version}\" ]; then p=; fi
if [ -n \"$p\" ]; then echo \"{MARK} has\"; exec \"$p\" {ANSWER}; fi
echo \"{MARK} lacks $(uname -sm)\"
d=$(mktemp -d) || exit 97
trap \"rm -rf $d\" EXIT
trap \"exit 99\" HUP INT TERM PIPE
IFS= read -r n || exit 98
head -c \"$n\" > \"$d/unrefuse\" && chmod 700 \"$d/unrefuse\" || exit 98
\"$d/unrefuse\" {ANSWER}
'"
    )
}

async fn timed<T>(limit: Duration, step: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(limit, step).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
    }
}

/// Skips what the login shell says, up to the script's own word.
async fn arrived(from: &mut BufReader<ChildStdout>) -> Result<There, String> {
    let mut left = CHATTER;
    loop {
        let mut line = Vec::new();
        let read = from.take(left).read_until(b'\n', &mut line).await.map_err(|e| e.to_string())?;
        left = left.saturating_sub(read as u64);
        if read == 0 {
            return Err(if left == 0 { "its login shell never stops talking" } else { "the connection ended" }.into());
        }
        let line = String::from_utf8_lossy(&line);
        let Some(words) = line.trim_end().strip_prefix(MARK) else { continue };
        return match words.trim().split_once(' ') {
            None if words.trim() == "has" => Ok(There { lacks: None }),
            Some(("lacks", machine)) => Ok(There { lacks: Some(machine.to_owned()) }),
            _ => Err("it answers in words that make no sense".into()),
        };
    }
}

/// Sends the program where it is lacking, and waits for its first line.
async fn ready(there: &There, to: &mut ChildStdin, from: &mut BufReader<ChildStdout>) -> Result<Hello, String> {
    if let Some(machine) = &there.lacks {
        let mine = format!("{} {}", uname(|u| u.sysname().to_owned()), uname(|u| u.machine().to_owned()));
        if *machine != mine {
            let machine = text::line(machine);
            return Err(format!("it has no unrefuse {}, and this one is not for {machine}", env!("CARGO_PKG_VERSION")));
        }
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        let program = tokio::fs::read(program).await.map_err(|e| format!("this program cannot be read: {e}"))?;
        let gone = |e: std::io::Error| format!("the program could not be sent: {e}");
        to.write_all(format!("{}\n", program.len()).as_bytes()).await.map_err(gone)?;
        to.write_all(&program).await.map_err(gone)?;
        to.flush().await.map_err(gone)?;
    }
    let mut line = Vec::new();
    from.take(CHATTER).read_until(b'\n', &mut line).await.map_err(|e| e.to_string())?;
    match serde_json::from_slice(&line) {
        Ok(Told::Hello(hello)) if hello.protocol == PROTOCOL => Ok(hello),
        Ok(_) => Err("its unrefuse speaks another version".into()),
        Err(_) if line.is_empty() => Err("the program does not start there".into()),
        Err(_) => Err("it answers in words that make no sense".into()),
    }
}

fn uname(part: impl Fn(&nix::sys::utsname::UtsName) -> std::ffi::OsString) -> String {
    nix::sys::utsname::uname().map_or_else(|_| String::new(), |u| part(&u).to_string_lossy().into_owned())
}

async fn send(mut asked: mpsc::UnboundedReceiver<Ask>, mut to: ChildStdin) {
    while let Some(ask) = asked.recv().await {
        let Ok(mut line) = serde_json::to_vec(&ask) else { return };
        line.push(b'\n');
        if to.write_all(&line).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// Hands on answers to what was asked; in the end, all that waits has none.
async fn receive(
    mut from: BufReader<ChildStdout>,
    waiting: Arc<Waiting>,
    arrivals: mpsc::Sender<Arrival>,
    place: String,
) {
    let why = loop {
        let mut line = Vec::new();
        match (&mut from).take(LONGEST).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => break format!("the connection to {place} ended"),
            Ok(_) => {}
        }
        let (number, fact) = match serde_json::from_slice(&line) {
            Ok(Told::Fact { number, fact }) => (number, *fact),
            Ok(Told::Hello(_)) | Err(_) => break format!("{place} answers in words that make no sense"),
        };
        let asked = waiting.questions().remove(&number).is_some();
        if asked && arrivals.send(Arrival { generation: 0, fact }).await.is_err() {
            return;
        }
    };
    *waiting.over.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.clone());
    let left = std::mem::take(&mut *waiting.questions());
    for question in left.into_values() {
        let fact = Fact::without_value(&question, Reading::Failed { why: why.clone() });
        let _ = arrivals.send(Arrival { generation: 0, fact }).await;
    }
}

/// The last line of what ssh says.
async fn last_words(errors: tokio::process::ChildStderr) -> String {
    let mut lines = BufReader::new(errors.take(CHATTER));
    let mut last = String::new();
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        let said = text::line(String::from_utf8_lossy(&line).trim());
        if !said.is_empty() {
            last = said;
        }
        line.clear();
    }
    last
}
