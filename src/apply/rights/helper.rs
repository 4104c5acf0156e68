//! The side that is root: reads one order, believes nothing of it but what to look at, and does it if it would propose the
//! same.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::order::{Job, LONGEST, Lines, Order, Over, PROTOCOL, Told, Wanted};
use crate::apply::prepare::of_this_host;
use crate::apply::{Answer, Ended, Hands, Terms, is_root, run, undo, who};
use crate::check;
use crate::diagnose::verdict::Diagnosis;
use crate::error::Error;
use crate::facts::Case;
use crate::fixes::Plan;
use crate::target::Target;

/// An order comes at once: who orders waits for us.
const ORDER_WITHIN: Duration = Duration::from_secs(30);
/// Our own look at the target.
const LOOK: Duration = Duration::from_secs(15);
/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What else of the environment is kept: who is behind it, for the log.
const KEPT: [&str; 3] = ["SUDO_USER", "SUDO_UID", "PKEXEC_UID"];
const SET: [(&str, &str); 2] = [("PATH", PATH), ("LANG", "C.UTF-8")];

type Orders = Lines<BufReader<Receiver>>;

/// Starts this program anew without the environment it was given, unless that is done already. Before any thread exists.
pub fn clean() -> Result<(), Error> {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    let failed = |e: std::io::Error| Error::broken("cannot begin anew without an environment").because(e);
    std::env::set_current_dir("/").map_err(failed)?;
    let set = |name: &str, value: &str| SET.iter().any(|(n, v)| *n == name && *v == value);
    let known = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        KEPT.contains(&name.as_ref()) || set(&name, &value)
    };
    if std::env::vars_os().all(known) {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(failed)?;
    let kept = KEPT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
    let mut again = Command::new(program);
    again.arg(super::WORD).env_clear().envs(SET).envs(kept);
    Err(failed(again.exec()))
}

/// Says that it is there, reads an order, and does it.
pub async fn serve() -> Result<(), Error> {
    if !is_root() {
        return Err(Error::input("this is for root only: it is how `unrefuse fix` does what it was asked for"));
    }
    say(&Told::Ready { protocol: PROTOCOL });
    let mut orders = Lines::new(BufReader::new(input()?), LONGEST);
    let over = match read(&mut orders).await {
        Ok(order) => carry_out(order.job, orders).await,
        Err(error) => Err(error),
    };
    say(&Told::Over(over.unwrap_or_else(|error| Over::failed(&error))));
    Ok(())
}

/// Standard input: a pipe, of which the other side has the other end.
fn input() -> Result<Receiver, Error> {
    let failed = |e: std::io::Error| Error::input("orders come through a pipe").because(e);
    let own = std::io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    Receiver::from_owned_fd(own).map_err(failed)
}

async fn read(orders: &mut Orders) -> Result<Order, Error> {
    let failed = |why: &str| Error::input(format!("there came no order: {why}"));
    match tokio::time::timeout(ORDER_WITHIN, orders.next()).await {
        Ok(Ok(Some(line))) => Order::parse(&line),
        Ok(Ok(None)) => Err(failed("whoever asked is gone")),
        Ok(Err(error)) => Err(failed(&error.to_string())),
        Err(_) => Err(failed("nothing was said")),
    }
}

async fn carry_out(job: Job, orders: Orders) -> Result<Over, Error> {
    let (progress, mut told) = mpsc::channel(16);
    let teller = tokio::spawn(async move {
        while let Some(event) = told.recv().await {
            say(&Told::Progress(event));
        }
    });
    let over = match job {
        Job::Apply(wanted) => {
            let (answers, heard) = mpsc::channel(4);
            tokio::spawn(stop_on_signals(answers.downgrade()));
            tokio::spawn(listen(orders, answers));
            Box::pin(apply(*wanted, progress, heard)).await
        }
        Job::Undo { entry } => {
            let undone = Box::pin(undo::undo(&Hands::new(), entry, &who(), &progress)).await;
            drop(progress);
            undone.map(|u| Over::Undone { entry: u.of.number, title: u.of.title, left: u.left })
        }
    };
    // It ends when the sender is gone; what it said comes before the end.
    let _ = teller.await;
    over
}

async fn apply(
    wanted: Wanted,
    progress: mpsc::Sender<crate::apply::Progress>,
    heard: mpsc::Receiver<Answer>,
) -> Result<Over, Error> {
    of_this_host(&wanted.plan)?;
    let case = Case::new(Target::parse(&wanted.target)?, wanted.from);
    let (_, diagnosis) = check::settle(case.clone(), LOOK).await;
    let plan = own(&diagnosis, &wanted.plan)?.clone();
    let terms = Terms {
        case,
        who: who(),
        revert_after: Duration::from_secs(wanted.revert_after),
        keep: wanted.keep,
        force: wanted.force,
        session: wanted.session,
    };
    Ok(match Box::pin(run(&Hands::new(), &plan, &terms, progress, heard)).await? {
        Ended::Kept { entry, .. } => Over::Kept { entry },
        Ended::Reverted { entry, why, left, .. } => Over::Reverted { entry, why, left },
    })
}

/// The plan that our own diagnosis proposes and that does just what was ordered; that one is carried out.
fn own<'a>(diagnosis: &'a Diagnosis, ordered: &Plan) -> Result<&'a Plan, Error> {
    let same_name = |plan: &&Plan| plan.id == ordered.id && plan.cause == ordered.cause;
    let refused =
        |why: String| Error::input(why).hint("nothing was changed; look again, or run it as root: sudo unrefuse");
    let Some(plan) = diagnosis.plans().find(same_name) else {
        return Err(refused(format!("seen as root, nothing here calls for plan {} of {}", ordered.id, ordered.cause)));
    };
    let (ours, theirs) = (plan.steps.iter().map(|s| &s.action), ordered.steps.iter().map(|s| &s.action));
    if ours.eq(theirs) && plan.made_on == ordered.made_on {
        return Ok(plan);
    }
    Err(refused(format!("seen as root, plan {} is another one than was ordered", ordered.id)))
}

/// Hands on what is answered. Its end is the end of whoever could answer.
async fn listen(mut orders: Orders, answers: mpsc::Sender<Answer>) {
    while let Ok(Some(line)) = orders.next().await {
        let Ok(answer) = serde_json::from_str(&line) else { return };
        if answers.send(answer).await.is_err() {
            return;
        }
    }
}

/// A signal puts back what is not kept yet.
async fn stop_on_signals(answers: mpsc::WeakSender<Answer>) {
    let streams = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = streams else { return };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        let Some(answers) = answers.upgrade() else { return };
        if answers.send(Answer::Revert).await.is_err() {
            return;
        }
    }
}

fn say(told: &Told) {
    let Ok(mut line) = serde_json::to_vec(told) else { return };
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    // Nobody listens any more: that is seen where answers are read.
    let _ = out.write_all(&line).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::causes::testing::Host;
    use crate::facts::connect::Outcome;
    use crate::fixes::action::{Action, Create, Verb};

    fn diagnosis() -> Diagnosis {
        let host = Host::with_outcome(80, Outcome::Refused).unit("nginx.service", |unit| {
            unit.load_state = "masked".into();
            unit.active_state = "inactive".into();
        });
        crate::diagnose::diagnose(&host.case())
    }

    #[test]
    fn only_what_our_own_look_proposes_is_done() {
        let mut diagnosis = diagnosis();
        let act = Action::Unit { unit: "nginx.service".into(), verb: Verb::Unmask };
        let mut plan = Plan::new("unmask-unit", "unmask nginx.service").step("unmask it", act);
        plan.cause = "svc-masked".into();
        let finding = diagnosis.causes.first_mut().expect("a finding to hang the plan on");
        finding.advice = vec![crate::diagnose::verdict::Advice::of(plan.clone())];
        assert_eq!(own(&diagnosis, &plan).unwrap(), &plan);
        let tampered: [fn(&mut Plan); 6] = [
            |p| p.id = "unmask-all".into(),
            |p| p.cause = "fw-input-drop".into(),
            |p| p.steps[0].action = Action::Unit { unit: "sshd.service".into(), verb: Verb::Unmask },
            |p| p.steps[0].action = Action::Create(Create { file: "/etc/cron.d/x".into(), text: "x".into() }),
            |p| p.steps.push(p.steps[0].clone()),
            |p| p.steps.clear(),
        ];
        for change in tampered {
            let mut other = plan.clone();
            change(&mut other);
            let why = own(&diagnosis, &other).unwrap_err().report();
            assert!(why.starts_with("seen as root") && why.contains("nothing was changed"), "{why}");
        }
        let mut worded = plan.clone();
        worded.title = "something nice".into();
        assert_eq!(own(&diagnosis, &worded).unwrap().title, plan.title, "our own words count");
    }
}
