//! Both ends of a connection: `--server` asks the server's host, `--client` a client elsewhere; ssh leads there, or a
//! recording made there stands in.

use std::io::IsTerminal as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc;

use crate::app::ends::{Again, Terminal};
use crate::check;
use crate::diagnose::diagnose;
use crate::diagnose::verdict::Diagnosis;
use crate::error::Error;
use crate::facts::Case;
use crate::facts::connect::Endpoint;
use crate::facts::socket::Transport;
use crate::sources::IN_FLIGHT;
use crate::sources::far::{Far, Place};
use crate::target::{From, Target, TargetKind};

/// The other end.
#[derive(Debug, Args, Default, Clone)]
pub(super) struct Ends {
    /// The server is there: ssh://[user@]host[:port], or a file recorded there
    #[arg(long, value_name = "SSH|FILE", conflicts_with_all = ["client", "from"])]
    server: Option<String>,
    /// Ask as the client there: ssh://[user@]host[:port], or a file recorded there
    #[arg(long, value_name = "SSH|FILE", conflicts_with = "from")]
    client: Option<String>,
}

/// Which of both is elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Server,
    Client,
}

/// Where the other end's facts come from.
enum Other {
    Ssh(Place),
    Recorded(Box<Case>),
}

impl Ends {
    /// Is any end elsewhere?
    pub(super) fn any(&self) -> bool {
        self.server.is_some() || self.client.is_some()
    }

    fn other(&self) -> Result<Option<(Which, Other)>, Error> {
        let named = self.server.as_ref().map(|word| (Which::Server, word));
        let Some((which, word)) = named.or_else(|| self.client.as_ref().map(|word| (Which::Client, word))) else {
            return Ok(None);
        };
        let other = match Place::parse(word) {
            Some(place) => Other::Ssh(place?),
            None => Other::Recorded(Box::new(super::load(Path::new(word))?.case)),
        };
        Ok(Some((which, other)))
    }
}

/// How the other end is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// How long each end may take.
    pub(super) limit: Duration,
    /// Who has the terminal.
    pub(super) terminal: Terminal,
}

impl Terms {
    /// Can somebody be asked for a password?
    fn asks(self) -> bool {
        self.terminal == Terminal::Lent && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }
}

/// Asks both ends again, as they were asked the first time.
pub(super) fn again(ends: Ends, target: Target, limit: Duration) -> Again {
    Again::new(move |terminal| {
        let (ends, target) = (ends.clone(), target.clone());
        async move {
            let both = settle(&ends, &target, Terms { limit, terminal }).await?;
            both.map(|(case, _)| case).ok_or_else(|| Error::broken("no end is elsewhere"))
        }
    })
}

/// Diagnoses with both ends; nothing if no end is elsewhere.
pub(super) async fn settle(ends: &Ends, target: &Target, terms: Terms) -> Result<Option<(Case, Diagnosis)>, Error> {
    Ok(match ends.other()? {
        None => None,
        Some((Which::Server, other)) => Some(server_elsewhere(other, target, terms).await?),
        Some((Which::Client, other)) => Some(client_elsewhere(other, target, terms).await?),
    })
}

async fn server_elsewhere(other: Other, target: &Target, terms: Terms) -> Result<(Case, Diagnosis), Error> {
    let limit = terms.limit;
    // ssh may ask for a password first, so that everything else is fresh when it is told.
    let (sender, arrivals) = mpsc::channel(IN_FLIGHT);
    let (far, why) = match &other {
        Other::Ssh(place) => reached(Far::connect(place.clone(), terms.asks(), sender).await, terms)?,
        Other::Recorded(_) => (None, String::new()),
    };
    let at_server = match &other {
        Other::Ssh(place) => named(target, Some(place.host()))?,
        Other::Recorded(_) => named(target, None)?,
    };
    let (client, met) = check::settle(Case::new(at_server, From::Here), limit).await;
    let Some(to) = met.subject.endpoint().filter(|to| to.ip().is_some()) else {
        // The name leads nowhere: no server has anything to do with it.
        return Ok((client, met));
    };
    let source = source(&client, &to);
    if let Other::Recorded(mut case) = other {
        case.client = Some(Box::new(client));
        case.from = source.map_or(case.from, From::Address);
        return Ok(check::replayed(*case));
    }
    let as_seen = far.as_ref().and_then(Far::seen_as);
    // Where ssh came to the same address, the server sees the client as it sees ssh.
    let from = as_seen.filter(|(_, there)| Some(*there) == to.ip()).map(|(here, _)| here).or(source);
    let mut case = Case::new(Target::parse(&to.to_string())?, from.map_or(From::Any, From::Address));
    case.client = Some(Box::new(client));
    let Some(far) = far else { return Ok(check::unasked(case, &why)) };
    Ok(check::settle_far(case, limit, &far, arrivals).await)
}

async fn client_elsewhere(other: Other, target: &Target, terms: Terms) -> Result<(Case, Diagnosis), Error> {
    let limit = terms.limit;
    let (sender, arrivals) = mpsc::channel(IN_FLIGHT);
    let client = match other {
        Other::Recorded(case) => *case,
        Other::Ssh(place) => {
            let (far, why) = reached(Far::connect(place, terms.asks(), sender).await, terms)?;
            let from_there = match &target.kind {
                TargetKind::Host { .. } => target.clone(),
                TargetKind::Port { .. } | TargetKind::Unit { .. } => {
                    Target::parse(&own(target, limit).await?.to_string())?
                }
                TargetKind::Path { .. } | TargetKind::Abstract { .. } => {
                    return Err(Error::input("no client elsewhere reaches a unix socket"));
                }
            };
            let case = Case::new(from_there, From::Here);
            match far {
                Some(far) => check::settle_far(case, limit, &far, arrivals).await.0,
                None => check::unasked(case, &why).0,
            }
        }
    };
    let to = diagnose(&client).subject.endpoint();
    let from = to.as_ref().and_then(|to| source(&client, to)).map_or(From::Any, From::Address);
    let mut case = match &to {
        Some(to) if to.ip().is_some() => Case::new(Target::parse(&to.to_string())?, from),
        _ => Case::new(target.clone(), from),
    };
    case.client = Some(Box::new(client));
    Ok(check::settle(case, limit).await)
}

/// Where a client elsewhere has to go for a target of this host.
async fn own(target: &Target, limit: Duration) -> Result<Endpoint, Error> {
    let (_, diagnosis) = check::settle(Case::new(target.clone(), From::Any), limit).await;
    let endpoint = diagnosis.subject.endpoint().filter(|to| to.ip().is_some_and(|ip| !ip.is_loopback()));
    endpoint.ok_or_else(|| {
        Error::input("no address of this host that another could reach is known").hint("name one: ADDRESS:PORT")
    })
}

/// The target with a host: that of the server where none was named.
fn named(target: &Target, host: Option<&str>) -> Result<Target, Error> {
    match (&target.kind, host) {
        (TargetKind::Host { .. }, _) => Ok(target.clone()),
        (TargetKind::Port { transport, port }, Some(host)) => {
            let scheme = if *transport == Transport::Udp { "udp://" } else { "" };
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            Target::parse(&format!("{scheme}{host}:{port}"))
        }
        _ => {
            Err(Error::input("with --server the target must be an address and port of it").hint("like this: db1:5432"))
        }
    }
}

/// The address the client's end came from.
fn source(client: &Case, to: &Endpoint) -> Option<IpAddr> {
    client.here.dials.get(to)?.value()?.source.map(|at| at.ip())
}

/// Who cannot be reached is told so in every box; where another try may ask for a password, this one is given up.
fn reached(far: Result<Far, Error>, terms: Terms) -> Result<(Option<Far>, String), Error> {
    match far {
        Ok(far) => Ok((Some(far), String::new())),
        Err(error) if terms.terminal == Terminal::Ours => Err(error),
        Err(error) => Ok((None, error.report())),
    }
}
