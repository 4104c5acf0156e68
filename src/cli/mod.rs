//! Flags and subcommands, and what each does.

mod checking;
mod confined;
mod far;
mod fixing;
mod manual;
mod settings;
mod watch;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::app::ends::Terminal;
use crate::app::filter::{Filter, Socket};
use crate::app::pointer::Mouse;
use crate::app::table::Fate;
use crate::app::{Open, Start};
use crate::apply::rights::Rights;
use crate::check;
use crate::demo;
use crate::error::Error;
use crate::facts::recording::Recording;
use crate::facts::{Case, redact};
use crate::report::text::Style;
use crate::report::{Report, explain, reference};
use crate::sources::{files, trouble};
use crate::target::{From, Target};

/// Why is this connection refused, and what makes it work again?
#[derive(Debug, Parser)]
#[command(name = "unrefuse", version, about, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
#[command(
    after_help = "TARGET: 8080   host:port   [::1]:443   udp://host:53   https://host/   nginx   unix:/run/x.sock   unix:@name
Exit status: 0 it accepts connections; 1 it does not, and the cause is named; 3 it does not, and the cause could not be
told; 2 the command line or the input was wrong; 4 something broke."
)]
pub struct Cli {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    screen: OnScreen,
    /// Log what the program does to a file (UNREFUSE_LOG sets the filter)
    #[arg(long, value_name = "FILE", global = true)]
    log: Option<PathBuf>,
}

/// What to look at, and from where.
#[derive(Debug, Args)]
struct Asked {
    /// Port, host:port, URL, unit or unix socket
    target: Option<String>,
    /// Ask as this client: here, any, or an address
    #[arg(long, value_name = "here|any|ADDR")]
    from: Option<String>,
    /// Bound on the whole run, in seconds
    #[arg(long, value_name = "SECS", default_value_t = DEFAULT_SECONDS)]
    timeout: f64,
    #[command(flatten)]
    ends: far::Ends,
    /// Only ASCII signs
    #[arg(long)]
    ascii: bool,
}

/// How the screen is used.
#[derive(Debug, Clone, Copy, Default, Args)]
struct OnScreen {
    /// Leave the mouse to the terminal (m on the screen changes that)
    #[arg(long)]
    no_mouse: bool,
    /// Sentences and numbered choices instead of the full screen: for a screen reader or a serial line
    #[arg(long)]
    plain: bool,
}

impl OnScreen {
    fn mouse(self) -> Mouse {
        if self.no_mouse { Mouse::Terminals } else { Mouse::Ours }
    }
}

impl Asked {
    /// A target and nothing else said.
    fn plain(target: &str) -> Self {
        Self {
            target: Some(target.to_owned()),
            from: None,
            timeout: DEFAULT_SECONDS,
            ends: far::Ends::default(),
            ascii: false,
        }
    }
}

/// Longer than every source's own deadline together: a bound for the unforeseen.
const DEFAULT_SECONDS: f64 = 15.0;

#[derive(Debug, Subcommand)]
enum Mode {
    /// One diagnosis without a screen
    Check(checking::Checking),
    /// Show a fix, ask, apply it, look again, and keep it or put it back
    Fix(fixing::Fixing),
    /// Put back what a fix changed
    Undo {
        /// Number of the entry (see history); the last one that stands by default
        entry: Option<u64>,
    },
    /// What was changed on this host, when, by whom, and whether it stands
    History,
    /// Dial again and again, and tell what happened when it failed
    Watch(watch::Watching),
    /// Live table of listening sockets
    Listeners {
        /// Print it once
        #[arg(long)]
        once: bool,
        /// Print once those that fit: port:80 unit:nginx addr:127* -proto:udp user:root pid:12 "two words"
        #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
        filter: Option<String>,
        /// Print it once, as JSON (schema unrefuse.listeners/1)
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        screen: OnScreen,
    },
    /// Write the facts of a diagnosis to a file, redacted
    Record {
        #[command(flatten)]
        asked: Asked,
        /// The file (- for standard output)
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Keep addresses, names and secrets as they are
        #[arg(long)]
        raw: bool,
    },
    /// Show a recording on the screen
    Replay {
        /// A file written by record
        file: PathBuf,
        #[command(flatten)]
        screen: OnScreen,
    },
    /// A private sandbox with a really broken service in it; without a cause, list them
    Demo {
        /// Id of the cause to meet
        cause: Option<String>,
        /// Diagnose it without the screen
        #[arg(long, requires = "cause")]
        check: bool,
        /// Diagnose it without the screen, as JSON
        #[arg(long, requires = "cause")]
        json: bool,
        #[command(flatten)]
        screen: OnScreen,
    },
    /// What a cause is, how to see it by hand, how it is fixed
    Explain {
        /// Id of a cause; without one: the quick reference, from what a client says to what it usually is
        cause: Option<String>,
        /// List all ids
        #[arg(long, conflicts_with = "cause")]
        list: bool,
        /// All causes in full, as Markdown
        #[arg(long, conflicts_with_all = ["cause", "list"])]
        markdown: bool,
    },
    /// Shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// A manual page, as roff
    Man {
        /// Of this subcommand; the program's own by default
        command: Option<String>,
        /// List the subcommands that have one
        #[arg(long, conflicts_with = "command")]
        list: bool,
    },
}

/// Runs what the command line asks for; the status to exit with.
pub fn run() -> ExitCode {
    if let Some(code) = fixing::serve_guard().or_else(fixing::serve_order).or_else(serve_demo).or_else(serve_far) {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match logged(cli.log.as_deref()).and_then(|()| run_cli(cli)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&error.report());
            ExitCode::from(error.exit_code())
        }
    }
}

fn run_cli(cli: Cli) -> Result<u8, Error> {
    match cli.mode {
        None => screen(&cli.asked, cli.screen),
        Some(mode) => run_mode(mode),
    }
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here, once")]
fn logged(file: Option<&Path>) -> Result<(), Error> {
    let filter = std::env::var("UNREFUSE_LOG").ok();
    file.map_or(Ok(()), |file| crate::trace::log_to(file, filter.as_deref()))
}

/// Serves to the end, and leaves nothing behind.
fn served(serving: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let runtime = runtime()?;
    let ended = runtime.block_on(serving);
    runtime.shutdown_background();
    crate::sources::tracefs::remove_all();
    ended
}

/// The status to exit with; what went wrong is said.
fn ended(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.report());
            ExitCode::from(error.exit_code())
        }
    }
}

/// The service of a demo is this program, run once more with words of its own.
fn serve_demo() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    words.next().filter(|word| word == demo::SERVE)?;
    let (cause, dir) = (words.next()?.into_string().ok()?, PathBuf::from(words.next()?));
    Some(ended(demo::serve(&cause, &dir)))
}

/// What another host's unrefuse asks by ssh is answered here.
fn serve_far() -> Option<ExitCode> {
    std::env::args_os().nth(1).filter(|word| word == crate::sources::far::ANSWER)?;
    Some(ended(served(crate::sources::far::serve())))
}

fn run_mode(mode: Mode) -> Result<u8, Error> {
    match mode {
        Mode::Check(checking) => checking::check(&checking),
        Mode::Fix(fixing) => fixing::fix(&fixing),
        Mode::Undo { entry } => fixing::undo(entry),
        Mode::History => fixing::history(),
        Mode::Watch(watching) => watch::run(&watching),
        Mode::Listeners { once: false, json: false, filter: None, screen } if screen.plain || on_a_terminal() => {
            show(Start { open: Open::Listeners, mouse: screen.mouse(), ..start() }, false, screen)
        }
        Mode::Listeners { json, filter, .. } => run_listeners(json, filter.as_deref().unwrap_or_default()),
        Mode::Record { asked, output, raw } => run_record(&asked, &output, raw),
        Mode::Replay { file, screen } => run_replay(&file, screen),
        Mode::Demo { cause, check, json, screen } => run_demo(cause.as_deref(), (check, json), screen),
        Mode::Explain { markdown: true, .. } => say(&explain::reference()),
        Mode::Explain { cause, list, .. } => run_explain(cause.as_deref(), list),
        Mode::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "unrefuse", &mut script);
            say(&String::from_utf8_lossy(&script))
        }
        Mode::Man { list: true, .. } => say(&manual::list()),
        Mode::Man { command, .. } => manual::page(command.as_deref()),
    }
}

fn run_record(asked: &Asked, output: &Path, raw: bool) -> Result<u8, Error> {
    let began = now();
    let (case, diagnosis) = settle(asked)?;
    let took = began.elapsed();
    let outcome = Report { case: &case, diagnosis: &diagnosis, took }.outcome();
    let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let recording = Recording::new(case, trouble::now_ms(), took).told(outcome.word(), diagnosis.culprit);
    let recording = if raw { recording } else { redact::redact(&recording)? };
    let text = recording.to_json()?;
    if output.as_os_str() == "-" {
        return say(&text);
    }
    files::write(output, &text)?;
    let how = if raw { "with everything in it" } else { "redacted" };
    say(&format!("wrote {} ({how})\n", crate::text::line(&output.display().to_string())))
}

/// Runs before any thread exists: the sandbox is a namespace of this process.
fn run_demo(cause: Option<&str>, (check, json): (bool, bool), screen: OnScreen) -> Result<u8, Error> {
    let Some(cause) = cause else { return say(&demo::listing()) };
    let sandbox = demo::enter(cause)?;
    let asked = Asked::plain(&sandbox.target);
    if json {
        return checking::check(&checking::Checking::of(&sandbox.target, true));
    }
    if check {
        say(&format!("{}\n$ unrefuse check {}\n\n", sandbox.story, sandbox.target))?;
        return checking::check(&checking::Checking::of(&sandbox.target, false));
    }
    // The target means something in the sandbox only: it is not remembered.
    show(Start { recent: None, mouse: screen.mouse(), ..asked_of(&asked)? }, asked.ascii, screen)
}

fn run_explain(cause: Option<&str>, list: bool) -> Result<u8, Error> {
    let Some(id) = cause.filter(|_| !list) else {
        return say(&if list { explain::list() } else { reference::page() });
    };
    if let Some(cause) = crate::diagnose::causes::by_id(id) {
        return say(&explain::cause(cause));
    }
    let near = explain::near(id);
    let hint = match near.as_slice() {
        [] => "`unrefuse explain --list` lists all ids".into(),
        near => format!("did you mean {}?", near.join(", ")),
    };
    Err(Error::input(format!("there is no cause `{id}`")).hint(hint))
}

/// Is somebody there to read and type?
fn on_a_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

fn run_listeners(json: bool, filter: &str) -> Result<u8, Error> {
    let filter = Filter::parse(filter).map_err(|wrong| Error::input(crate::text::line(&wrong)))?;
    let runtime = runtime()?;
    let found = runtime.block_on(check::listeners());
    runtime.shutdown_background();
    let (mut listeners, owners) = found?;
    listeners.retain(|listener| {
        let (shown, owner) = (listener.shown(), owners.get(&listener.inode));
        filter.holds(Socket { listener, shown: &shown, owner, fate: Fate::Stands })
    });
    say(&if json {
        pretty(&crate::report::listeners::json(&listeners, &owners))
    } else {
        crate::report::listeners::table(&listeners, &owners)
    })
}

fn run_replay(file: &Path, screen: OnScreen) -> Result<u8, Error> {
    let recording = load(file)?;
    let took = Some(Duration::from_millis(recording.took_ms));
    let open = Open::Recording(Box::new(recording.case));
    show(Start { open, took, mouse: screen.mouse(), ..start() }, false, screen)
}

fn screen(asked: &Asked, screen: OnScreen) -> Result<u8, Error> {
    if asked.ends.any() {
        // ssh may ask for a password: that comes before the screen.
        let (case, _) = settle(asked)?;
        let target = Target::parse(asked.target.as_deref().unwrap_or_default())?;
        let again = Some(far::again(asked.ends.clone(), target, limit("--timeout", asked.timeout)?));
        let open = Open::Recording(Box::new(case));
        return show(Start { open, again, mouse: screen.mouse(), ..start() }, asked.ascii, screen);
    }
    show(Start { mouse: screen.mouse(), ..asked_of(asked)? }, asked.ascii, screen)
}

fn asked_of(asked: &Asked) -> Result<Start, Error> {
    let target = asked.target.as_deref().map(Target::parse).transpose()?;
    Ok(Start { open: target.map_or(Open::Picker, Open::Target), from: asker(asked)?, ..start() })
}

fn show(start: Start, ascii: bool, screen: OnScreen) -> Result<u8, Error> {
    let style = style(ascii);
    if screen.plain || (on_a_terminal() && dumb_terminal()) {
        let style = crate::plain::Style { zone: jiff::tz::TimeZone::system(), ascii: style.ascii };
        return lasting(crate::plain::run(start, style));
    }
    lasting(crate::ui::run(start, settings::settings(style)?))
}

/// Runs a session to its end.
fn lasting(session: impl Future<Output = Result<(), Error>>) -> Result<u8, Error> {
    let runtime = runtime()?;
    let ended = runtime.block_on(session);
    // A resolver that does not answer must not keep the program.
    runtime.shutdown_background();
    crate::sources::tracefs::remove_all();
    ended.map(|()| 0)
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here, once")]
fn start() -> Start {
    let set = |name: &str| std::env::var_os(name);
    let recent = crate::app::recent::file(set("XDG_STATE_HOME").as_deref(), set("HOME").as_deref());
    Start { recent, rights: rights(), ..Start::default() }
}

/// How this host can be changed; an ordinary user may say who is to be asked.
#[expect(clippy::disallowed_methods, reason = "the environment is read here, once")]
fn rights() -> Rights {
    Rights::of_this_process(std::env::var("UNREFUSE_ROOT_BY").ok().filter(|word| !word.is_empty()).as_deref())
}

fn load(file: &Path) -> Result<Recording, Error> {
    Recording::parse(&files::read(file)?, &file.display().to_string()).map(Recording::elsewhere)
}

fn settle(asked: &Asked) -> Result<(Case, crate::diagnose::verdict::Diagnosis), Error> {
    settle_within(asked, limit("--timeout", asked.timeout)?)
}

/// The same, in this time.
fn settle_within(asked: &Asked, limit: Duration) -> Result<(Case, crate::diagnose::verdict::Diagnosis), Error> {
    let target =
        asked.target.as_deref().ok_or_else(|| Error::input("no target given").hint("try `unrefuse check 8080`"))?;
    let case = Case::new(Target::parse(target)?, asker(asked)?);
    let runtime = runtime()?;
    let settled = runtime.block_on(async {
        match far::settle(&asked.ends, &case.target, far::Terms { limit, terminal: Terminal::Lent }).await? {
            Some(both) => Ok(both),
            None => Ok(check::settle(case, limit).await),
        }
    });
    // A resolver or a file system that does not answer must not keep the program.
    runtime.shutdown_background();
    crate::sources::tracefs::remove_all();
    settled
}

fn asker(asked: &Asked) -> Result<From, Error> {
    asked.from.as_deref().map_or(Ok(From::Unsaid), From::parse)
}

fn limit(flag: &str, seconds: f64) -> Result<Duration, Error> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|d| !d.is_zero() && d.as_secs() <= 3600)
        .ok_or_else(|| Error::input(format!("{flag} takes seconds, more than 0 and at most 3600")))
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::broken("cannot start").because(e))
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here, once")]
fn style(ascii: bool) -> Style {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    let dumb = dumb_terminal();
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|n| std::env::var(n).ok().filter(|v| !v.is_empty()));
    let utf8 = locale.is_some_and(|l| l.to_lowercase().replace('-', "").contains("utf8"));
    Style { color: std::io::stdout().is_terminal() && !set("NO_COLOR") && !dumb, ascii: ascii || !utf8 }
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here, once")]
fn dumb_terminal() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb" || term == "unknown")
}

#[expect(clippy::disallowed_methods, reason = "the run is timed as a whole")]
fn now() -> Instant {
    Instant::now()
}

/// Now, in microseconds since the epoch.
fn now_us() -> u64 {
    trouble::now_ms().saturating_mul(1000)
}

/// Writes to standard output. A closed pipe is no error: whoever read has seen enough.
fn say(text: &str) -> Result<u8, Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(0),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        Err(error) => Err(Error::broken("cannot write the answer").because(error)),
    }
}

fn complain(report: &str) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(std::io::stderr().lock(), "unrefuse: {report}");
}

fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return match say(&text) {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                complain(&error.report());
                ExitCode::from(error.exit_code())
            }
        };
    }
    // It repeats the words it was given; those may hold what a terminal obeys.
    let safe: Vec<String> = text.lines().map(crate::text::line).collect();
    let _ = writeln!(std::io::stderr().lock(), "{}", safe.join("\n"));
    ExitCode::from(2)
}
