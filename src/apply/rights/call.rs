//! The side that may not: has the order done by the other one, and passes on what it says.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::unistd::Pid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::order::{Job, LONGEST, Lines, Order, Over, PROTOCOL, Told};
use super::tty::{self, Terminal};
use super::{Rights, WORD, Way, by_hand};
use crate::apply::{Answer, Progress};
use crate::error::Error;
use crate::sources::procfs;
use crate::text;

/// Without a terminal nobody is asked for a password: either it goes at once or not at all.
const UNASKED_WITHIN: Duration = Duration::from_secs(30);
/// How often it is seen to that whoever asks was not stopped.
const LOOK: Duration = Duration::from_millis(200);
/// The other side ends once it has said how it went.
const END_WITHIN: Duration = Duration::from_secs(5);
/// So much of what was said last on standard error is kept, in bytes.
const TAIL: usize = 4096;
/// Lines of it that are told.
const LINES: usize = 3;

/// Whose turn it is on the terminal.
#[derive(Debug)]
pub enum Turn {
    /// It is to be left to whoever asks for a password; the answer says that it is.
    Lend(oneshot::Sender<()>),
    /// It is ours again.
    Back,
}

/// Where the sides meet.
#[derive(Debug)]
pub struct Ends {
    /// Tells whose turn it is on the terminal.
    pub turns: mpsc::Sender<Turn>,
    /// What happens is told here.
    pub progress: mpsc::Sender<Progress>,
    /// What is answered comes from here. Nobody left to answer: what is not kept is put back.
    pub answers: mpsc::Receiver<Answer>,
}

/// Has a job done. Errors mean that nothing was changed.
pub async fn call(job: Job, rights: &Rights, mut ends: Ends) -> Result<Over, Error> {
    let (way, program) = match rights {
        Rights::By(way, program) => (*way, program),
        Rights::None(why) => {
            return Err(by_hand(Error::input(format!("changing this host takes root, and {why}")), &job));
        }
        Rights::Root => return Err(Error::broken("root need not ask")),
    };
    let asked = async {
        let (lent, wait) = oneshot::channel();
        // Where nobody cares for the terminal nothing is to be waited for.
        if ends.turns.send(Turn::Lend(lent)).await.is_ok() {
            let _ = wait.await;
        }
        ask(way, program, &job).await
    };
    let asked = asked.await;
    let _ = ends.turns.send(Turn::Back).await;
    let mut called = asked.map_err(|error| by_hand(error, &job))?;
    if gone(&mut ends.answers) {
        return Err(Error::input("it was called off"));
    }
    let over = called.order(&job, &mut ends).await;
    let _ = tokio::time::timeout(END_WITHIN, called.child.wait()).await;
    over
}

/// Somebody called it off, or is gone, before anything was ordered.
fn gone(answers: &mut mpsc::Receiver<Answer>) -> bool {
    matches!(answers.try_recv(), Ok(Answer::Revert) | Err(mpsc::error::TryRecvError::Disconnected))
}

/// The other side, where it is there.
struct Called {
    child: Child,
    input: Option<ChildStdin>,
    told: Lines<BufReader<ChildStdout>>,
    said: Said,
}

async fn ask(way: Way, program: &std::path::Path, job: &Job) -> Result<Called, Error> {
    let failed = |e: std::io::Error| Error::broken(format!("{} cannot be run", way.word())).because(e);
    let own = std::env::current_exe().map_err(failed)?;
    let on_terminal = tty::there_is_one();
    let terminal = Terminal::ours();
    if on_terminal {
        let told = format!("unrefuse: root is needed to {}; {} asks whether you may\n", job.title(), way.word());
        // Nobody reads it: then it need not be read.
        let _ = std::io::stderr().lock().write_all(told.as_bytes());
    }
    let mut command = Command::new(program);
    command.args(way.options(on_terminal)).arg(own).arg(WORD);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if terminal.is_some() {
        command.process_group(0);
    }
    let mut child = command.spawn().map_err(failed)?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(input), Some(output), Some(errors)) = pipes else {
        return Err(Error::broken(format!("{} has no pipes", way.word())));
    };
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
    let mut called =
        Called { child, input: Some(input), told: Lines::new(BufReader::new(output), LONGEST), said: Said::of(errors) };
    let lent = terminal.as_ref().zip(pid).map(|(terminal, pid)| terminal.lend(pid));
    let mut look = tokio::time::interval(LOOK);
    let first = async {
        let first = called.told.next();
        tokio::pin!(first);
        loop {
            tokio::select! {
                line = &mut first => return line,
                _ = look.tick() => if let (Some(lent), Some(pid)) = (&lent, pid) && procfs::stopped(pid.as_raw()) {
                    lent.go_on();
                },
            }
        }
    };
    let line = if on_terminal {
        first.await
    } else {
        let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
        tokio::time::timeout(UNASKED_WITHIN, first).await.unwrap_or(Err(late))
    };
    drop(lent);
    let line = line.ok().flatten();
    match line.as_deref().map(serde_json::from_str::<Told>) {
        Some(Ok(Told::Ready { protocol: PROTOCOL })) => {
            called.said.be_quiet();
            Ok(called)
        }
        Some(_) => Err(Error::broken(format!("{} started another program than this one", way.word()))),
        None => Err(called.refused(way).await),
    }
}

impl Called {
    /// Why there was no answer, in the words of whoever was asked.
    async fn refused(mut self, way: Way) -> Error {
        drop(self.input.take());
        // What it said last is there once it has ended; who was not asked on a terminal may hang.
        let _ = tokio::time::timeout(END_WITHIN, self.child.wait()).await;
        let said = self.said.last().await;
        let name = way.word();
        Error::input(if said.is_empty() {
            format!("{name} did not let it through")
        } else {
            format!("{name} did not let it through: {said}")
        })
    }

    async fn order(&mut self, job: &Job, ends: &mut Ends) -> Result<Over, Error> {
        let failed = |e: std::io::Error| Error::broken("the order cannot be given").because(e);
        let order = Order { protocol: PROTOCOL, job: job.clone() };
        let line = serde_json::to_string(&order).map_err(|e| failed(e.into()))?;
        self.tell(&line).await.map_err(failed)?;
        loop {
            tokio::select! {
                line = self.told.next() => match line.map(|l| l.map(|l| serde_json::from_str(&l))) {
                    Ok(Some(Ok(Told::Progress(event)))) => {
                        // Nobody looks any more: it goes on all the same.
                        let _ = ends.progress.send(event).await;
                    }
                    Ok(Some(Ok(Told::Over(Over::Failed { input, report })))) => return Err(Over::error(input, &report)),
                    Ok(Some(Ok(Told::Over(over)))) => return Ok(over),
                    Ok(Some(Ok(Told::Ready { .. }))) => {}
                    Ok(Some(Err(_)) | None) | Err(_) => return Err(self.lost().await),
                },
                answer = ends.answers.recv(), if self.input.is_some() => match answer {
                    // It ended meanwhile: what it says last tells how.
                    Some(Answer::Keep) => drop(self.tell("\"keep\"").await),
                    Some(Answer::Revert) => drop(self.tell("\"revert\"").await),
                    None => self.input = None,
                },
            }
        }
    }

    async fn tell(&mut self, line: &str) -> std::io::Result<()> {
        let Some(input) = &mut self.input else { return Ok(()) };
        input.write_all(line.as_bytes()).await?;
        input.write_all(b"\n").await?;
        input.flush().await
    }

    async fn lost(&mut self) -> Error {
        let said = self.said.last().await;
        let why = if said.is_empty() { String::new() } else { format!(": {said}") };
        Error::broken(format!("the side that is root ended before it said how it went{why}"))
            .hint("what it changed and nobody kept is put back by its guard; as root: unrefuse history")
    }
}

/// What is said on standard error: shown while somebody is asked, and its end kept.
struct Said {
    kept: Arc<Mutex<(bool, Vec<u8>)>>,
    reading: JoinHandle<()>,
}

impl Said {
    fn of(mut errors: ChildStderr) -> Self {
        let kept = Arc::new(Mutex::new((true, Vec::new())));
        let noted = Arc::clone(&kept);
        let reading = tokio::spawn(async move {
            let mut bytes = [0; 1024];
            while let Ok(count @ 1..) = errors.read(&mut bytes).await {
                let chunk = bytes.get(..count).unwrap_or_default();
                let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                if noted.0 {
                    let _ = std::io::stderr().lock().write_all(chunk);
                }
                noted.1.extend_from_slice(chunk);
                let over = noted.1.len().saturating_sub(TAIL);
                noted.1.drain(..over);
            }
        });
        Self { kept, reading }
    }

    /// The terminal is in use again.
    fn be_quiet(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    /// The last lines, safe to show.
    async fn last(&mut self) -> String {
        let _ = tokio::time::timeout(LOOK, &mut self.reading).await;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let all = String::from_utf8_lossy(&kept.1);
        let lines: Vec<String> = all.lines().map(text::line).map(|l| l.trim().to_owned()).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).filter(|l| !l.is_empty()).collect();
        lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("; ")
    }
}
