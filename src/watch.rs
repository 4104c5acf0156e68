//! One target watched over time: it is dialled at a decent pace, and what happens on the host meanwhile is held against
//! its failures.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::check::{settle, work_out};
use crate::diagnose::containers;
use crate::diagnose::greeting;
use crate::diagnose::look::Look;
use crate::diagnose::serving::serving;
use crate::diagnose::subject::Subject;
use crate::diagnose::timeline::pace::{Pace, pace};
use crate::diagnose::timeline::{About, Attempt, Outage, Timeline};
use crate::error::Error;
use crate::facts::connect::{Dial, Endpoint, Outcome};
use crate::facts::happening::{Happening, Past, Teller, What};
use crate::facts::{Case, Reading};
use crate::sources::dbus::Bus;
use crate::sources::happenings::{Clock, News, Readings, live, past};
use crate::sources::{dial, trouble};
use crate::target::{From, Target};

/// What is told of an outage waits this long, in microseconds, for what is filed late.
const SETTLES_US: u64 = 1_500_000;
/// What happened this long before a watch began is read too, in microseconds.
const BEFORE_US: u64 = 60_000_000;
/// Attempts that are kept: two days of one a second.
const MOST: usize = 200_000;
/// The last news of a watch are waited for this long.
const LAST_NEWS: Duration = Duration::from_millis(700);
/// A target that could not be resolved is asked for again within this time.
const RESOLVE_WITHIN: Duration = Duration::from_secs(6);

/// How to watch.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// From one attempt to the next; none: as is decent.
    pub every: Option<Duration>,
    /// How long; none: until it is stopped.
    pub lasting: Option<Duration>,
    /// How much of the past to tell, too.
    pub since: Option<Duration>,
    /// Bound on the first look.
    pub limit: Duration,
}

/// Something to tell.
#[derive(Debug)]
pub enum Event {
    /// The watch begins.
    Begins {
        /// When, in microseconds since the epoch.
        at_us: u64,
        /// What is dialled; none where nobody dials or nothing can be dialled yet.
        to: Option<Endpoint>,
        /// What serves it.
        about: About,
        /// Milliseconds from one attempt to the next; 0: nobody dials.
        every_ms: u64,
    },
    /// What attempts get changed.
    Turns(Attempt, Option<u64>),
    /// Something happened; true: it may have to do with the target.
    Happens(Happening, bool),
    /// An outage is over, or goes on at the end of the watch.
    Outage(Outage),
    /// A remark, safe to show.
    Note(String),
}

/// Tells; an error (nobody reads any more) ends the watch.
pub type Tell<'t> = &'t mut dyn FnMut(&Event) -> Result<(), Error>;

/// What the past says of a target, without dialling.
pub async fn past_of(case: Case, ago: Duration, limit: Duration, tell: Tell<'_>) -> Result<Timeline, Error> {
    let mut case = case;
    let about = work_out(&mut case, limit, about).await;
    if about.unit.is_none() {
        return Err(Error::input("no unit of this host is known to serve that")
            .hint("name the unit: unrefuse watch nginx --since -1h --no-dial"));
    }
    let now_us = trouble::now_ms().saturating_mul(1000);
    tell(&Event::Begins { at_us: now_us, to: None, about: about.clone(), every_ms: 0 })?;
    let past = past(&Bus::new(), now_us.saturating_sub(micros(ago))).await;
    let timeline = Timeline::without_attempts(&past, &about);
    told_past(&timeline, tell)?;
    Ok(timeline)
}

fn told_past(timeline: &Timeline, tell: Tell<'_>) -> Result<(), Error> {
    for why in &timeline.blind {
        tell(&Event::Note(format!("cannot tell all: {}", crate::text::line(why))))?;
    }
    timeline.outages.iter().try_for_each(|outage| tell(&Event::Outage(outage.clone())))
}

/// Watches until `stop` or the time is over.
pub async fn watch(case: Case, how: How, stop: impl Future<Output = ()>, tell: Tell<'_>) -> Result<Timeline, Error> {
    let (target, from) = (case.target.clone(), case.from);
    let clock = Clock::begin();
    let (case, diagnosis) = settle(case, how.limit).await;
    let (about, pace) = {
        let look = Look::new(&case);
        (about(&look), pace(&look, &diagnosis.subject))
    };
    let to = diagnosis.symptoms.iter().find(|seen| seen.diagnosed).map(|seen| seen.to.clone());
    let every = how.every.unwrap_or(Duration::from_millis(pace.every_ms));
    let mut watch = Watch::new(clock, about.clone(), to.clone(), (target, from));
    let every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
    tell(&Event::Begins { at_us: clock.now_us(), to, about, every_ms })?;
    if let Some(note) = of_pace(&pace, how.every) {
        tell(&Event::Note(note))?;
    }
    watch.read_past(how.since, tell).await?;
    let told = watch.run(every, how.lasting, stop, tell).await;
    watch.end(tell).await?;
    told?;
    Ok(watch.timeline())
}

/// Says that attempts are counted, or may be.
fn of_pace(pace: &Pace, asked: Option<Duration>) -> Option<String> {
    let who = pace.counted_by.as_ref()?;
    let slow = pace.every_ms / 1000;
    Some(match asked {
        Some(every) if micros(every) < pace.every_ms * 1000 => {
            format!("attempts this often may themselves cause failures: {who}")
        }
        Some(_) => format!("attempts may be counted: {who}"),
        None => format!("dialling only every {slow} s: {who}"),
    })
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// What serves the target, as far as is known.
fn about(look: &Look<'_>) -> About {
    let subject = Subject::of(look);
    let unit = serving(look, &subject).and_then(|serving| serving.unit).map(|unit| unit.name.clone());
    let container = if unit.is_none() || unit.as_deref() == Some("docker.service") {
        let meant = containers::publishing(look, &subject);
        meant.and_then(|all| all.first().map(|meant| meant.container.name.clone()))
    } else {
        None
    };
    About { unit, container }
}

type Dialling = Pin<Box<dyn Future<Output = (u64, Option<Endpoint>, Reading<Dial>)> + Send>>;

/// A watch under way.
struct Watch {
    clock: Clock,
    readings: Readings,
    bus: Arc<Bus>,
    about: About,
    to: Option<Endpoint>,
    asked: (Target, From),
    attempts: Vec<Attempt>,
    /// Attempts that are not kept any more, and how many of them failed.
    forgotten: (usize, usize),
    /// What happened, without what the logs tell.
    past: Past,
    /// What the logs told before the watch, and since.
    logs: (Vec<Happening>, Vec<Happening>),
    /// An outage that is over and waits to be told: since when.
    ended: Option<u64>,
    /// The last outage that was told began then.
    told: Option<u64>,
}

impl Watch {
    fn new(clock: Clock, about: About, to: Option<Endpoint>, asked: (Target, From)) -> Self {
        Self {
            clock,
            readings: Readings::now(),
            bus: Arc::new(Bus::new()),
            about,
            to,
            asked,
            attempts: Vec::new(),
            forgotten: (0, 0),
            past: Past::default(),
            logs: (Vec::new(), Vec::new()),
            ended: None,
            told: None,
        }
    }

    /// What happened before; all of it is told where that is asked for.
    async fn read_past(&mut self, since: Option<Duration>, tell: Tell<'_>) -> Result<(), Error> {
        let ago = since.map_or(BEFORE_US, |since| micros(since).max(BEFORE_US));
        self.past = past(&self.bus, self.clock.now_us().saturating_sub(ago)).await;
        if since.is_some() {
            told_past(&Timeline::without_attempts(&self.past, &self.about), tell)?;
        } else {
            for why in &self.past.blind {
                tell(&Event::Note(format!("cannot tell all: {}", crate::text::line(why))))?;
            }
        }
        let of_logs = |happening: &Happening| matches!(happening.source, Teller::PackageLog | Teller::Fail2banLog);
        let (logs, others) = std::mem::take(&mut self.past.happenings).into_iter().partition(of_logs);
        (self.logs.0, self.past.happenings) = (logs, others);
        Ok(())
    }

    async fn run(
        &mut self,
        every: Duration,
        lasting: Option<Duration>,
        stop: impl Future<Output = ()>,
        tell: Tell<'_>,
    ) -> Result<(), Error> {
        let (_live, mut news) = live(&self.bus, self.clock, self.about.container.is_some());
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = interval(Duration::from_millis(250));
        let until = lasting.map(|lasting| Instant::now() + lasting);
        let mut over = std::pin::pin!(tokio::time::sleep_until(until.unwrap_or_else(Instant::now)));
        let mut stop = std::pin::pin!(stop);
        let mut dialling: Option<Dialling> = None;
        loop {
            let idle = dialling.is_none();
            let dialled = async {
                match dialling.as_mut() {
                    Some(dialling) => dialling.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = &mut over, if until.is_some() => break,
                Some(news) = news.recv() => self.hear(news, tell)?,
                (at_us, to, reading) = dialled => {
                    dialling = None;
                    self.to = to;
                    self.take(at_us, &reading, tell).await?;
                }
                _ = ticks.tick(), if idle => dialling = Some(self.dial()),
                _ = looks.tick() => self.look(tell)?,
            }
        }
        // What was filed as it ended is part of it.
        let end = Instant::now() + LAST_NEWS;
        while let Ok(Some(news)) = tokio::time::timeout_at(end, news.recv()).await {
            self.hear(news, tell)?;
        }
        Ok(())
    }

    /// One attempt; a target that could not be resolved is asked for again.
    fn dial(&self) -> Dialling {
        let (to, at_us, (target, from)) = (self.to.clone(), self.clock.now_us(), self.asked.clone());
        Box::pin(async move {
            let to = if to.is_some() {
                to
            } else {
                let mut case = Case::new(target, from);
                work_out(&mut case, RESOLVE_WITHIN, |look| Subject::of(look).endpoint()).await
            };
            let reading = match &to {
                Some(to) => dial::dial(to).await,
                None => Reading::Absent,
            };
            (at_us, to, reading)
        })
    }

    async fn take(&mut self, at_us: u64, reading: &Reading<Dial>, tell: Tell<'_>) -> Result<(), Error> {
        let attempt = match reading.value() {
            Some(dial) => Attempt { at_us, outcome: outcome(dial), errno: dial.errno.clone() },
            None if matches!(reading, Reading::Absent) => Attempt { at_us, outcome: Outcome::Unresolved, errno: None },
            None => Attempt { at_us, outcome: Outcome::Error, errno: None },
        };
        let before = self.attempts.last().map(|last| (last.outcome, last.failed()));
        let ends = before.is_some_and(|(_, failed)| failed) && !attempt.failed();
        let turns = before.is_none_or(|(outcome, _)| outcome != attempt.outcome);
        let since = ends.then(|| self.failing_since()).flatten();
        self.attempts.push(attempt.clone());
        if self.attempts.len() > MOST {
            let gone: Vec<Attempt> = self.attempts.drain(..MOST / 10).collect();
            self.forgotten.0 += gone.len();
            self.forgotten.1 += gone.iter().filter(|attempt| attempt.failed()).count();
        }
        if ends {
            // A second outage that ends meanwhile is told with the first.
            self.ended = Some(self.clock.now_us());
            if self.about == About::default() {
                self.know_who_serves().await;
            }
        }
        if turns {
            tell(&Event::Turns(attempt, since))?;
        }
        Ok(())
    }

    /// Who serves it can be told once it answers.
    async fn know_who_serves(&mut self) {
        let (target, from) = self.asked.clone();
        let mut case = Case::new(target, from);
        self.about = work_out(&mut case, RESOLVE_WITHIN, about).await;
    }

    /// The first failure of the outage under way.
    fn failing_since(&self) -> Option<u64> {
        self.attempts.iter().rev().take_while(|attempt| attempt.failed()).last().map(|attempt| attempt.at_us)
    }

    fn hear(&mut self, news: News, tell: Tell<'_>) -> Result<(), Error> {
        match news {
            News::Happened(happening) => self.happened(happening, tell),
            News::Logs(told) => {
                let fresh: Vec<Happening> = told.iter().filter(|h| !self.told_already(h)).cloned().collect();
                self.logs.1 = told;
                fresh.into_iter().try_for_each(|happening| self.tell_of(happening, tell))
            }
            News::Blind(why) => {
                if !self.past.blind.contains(&why) {
                    tell(&Event::Note(format!("cannot tell all: {}", crate::text::line(&why))))?;
                    self.past.blind.push(why);
                }
                Ok(())
            }
        }
    }

    /// A run of a package manager grows while it is at work; it is told once.
    fn told_already(&self, happening: &Happening) -> bool {
        let same = |h: &Happening| h.at_us == happening.at_us && (h.what == happening.what || is_packages(&h.what));
        self.logs.0.iter().chain(&self.logs.1).any(same)
    }

    fn happened(&mut self, happening: Happening, tell: Tell<'_>) -> Result<(), Error> {
        if self.past.happenings.len() >= Past::MOST {
            self.past.happenings.drain(..Past::MOST / 10);
        }
        self.past.happenings.push(happening.clone());
        self.tell_of(happening, tell)
    }

    fn tell_of(&self, happening: Happening, tell: Tell<'_>) -> Result<(), Error> {
        let concerns = match &happening.what {
            What::Unit { unit, .. } => self.about.unit.as_ref() == Some(unit),
            What::Oom { unit: Some(unit), .. } | What::Crash { unit: Some(unit), .. } => {
                self.about.unit.as_ref() == Some(unit)
            }
            What::Container { name, .. } => self.about.container.as_ref() == Some(name),
            What::Oom { unit: None, .. }
            | What::Packages { .. }
            | What::Ban { .. }
            | What::Rules { .. }
            | What::Address { .. }
            | What::Link { .. }
            | What::Clock { .. }
            | What::Woke { .. }
            | What::Sleeps
            | What::Boot
            | What::Command { .. } => true,
            What::Crash { unit: None, .. } => false,
        };
        tell(&Event::Happens(happening, concerns))
    }

    /// Looks at the clocks, and whether an outage can be told now.
    fn look(&mut self, tell: Tell<'_>) -> Result<(), Error> {
        let now = Readings::now();
        if let Some(what) = now.since(self.readings) {
            let happening = Happening { at_us: self.clock.now_us(), what, source: Teller::Clock };
            self.happened(happening, tell)?;
        }
        self.readings = now;
        if self.ended.is_some_and(|ended| self.clock.now_us() >= ended.saturating_add(SETTLES_US)) {
            self.ended = None;
            self.tell_outages(false, tell)?;
        }
        Ok(())
    }

    /// Tells of the outages that were not told yet; of one under way only at the end.
    fn tell_outages(&mut self, at_the_end: bool, tell: Tell<'_>) -> Result<(), Error> {
        let timeline = self.timeline();
        let mut last = self.told;
        let fresh = |outage: &&Outage| self.told.is_none_or(|told| outage.from_us > told);
        for outage in timeline.outages.iter().filter(fresh) {
            if outage.until_us.is_none() && !at_the_end {
                break;
            }
            tell(&Event::Outage(outage.clone()))?;
            last = Some(outage.from_us);
        }
        self.told = last;
        Ok(())
    }

    /// Everything as it stands.
    fn timeline(&self) -> Timeline {
        let mut past = self.past.clone();
        past.happenings.extend(self.logs.0.iter().filter(|h| !self.logs.1.iter().any(|l| l.at_us == h.at_us)).cloned());
        past.happenings.extend(self.logs.1.iter().cloned());
        let mut timeline = Timeline::of(&self.attempts, &past, &self.about);
        timeline.attempts += self.forgotten.0;
        timeline.failed += self.forgotten.1;
        timeline
    }

    async fn end(&mut self, tell: Tell<'_>) -> Result<(), Error> {
        let since = self.past.since_us;
        let (told, _) = crate::sources::happenings::of_logs(since).await;
        self.logs = (Vec::new(), told);
        self.tell_outages(true, tell)
    }
}

/// What an attempt got: a server that turns it away in words hangs up on it.
fn outcome(dial: &Dial) -> Outcome {
    let turned_away = dial.outcome == Outcome::Open && greeting::refusal(dial).is_some();
    if turned_away { Outcome::Closed } else { dial.outcome }
}

fn is_packages(what: &What) -> bool {
    matches!(what, What::Packages { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::causes::testing::dialled;

    #[test]
    fn who_is_turned_away_in_words_has_failed() {
        let mut dial = dialled("10.2.0.2:6379", Outcome::Open);
        assert_eq!(outcome(&dial), Outcome::Open);
        dial.banner = Some("-DENIED Redis is running in protected mode".into());
        assert_eq!(outcome(&dial), Outcome::Closed);
        dial.outcome = Outcome::Refused;
        assert_eq!(outcome(&dial), Outcome::Refused);
    }
}
