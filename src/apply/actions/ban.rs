//! Bans of fail2ban, through its own client. A ban that is put back is a new one: it lasts as long as the jail says.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::program;
use crate::apply::Hands;
use crate::apply::change::Value;
use crate::error::Error;
use crate::sources::firewalls::fail2ban;

/// A jail bans and frees on its next turn, which comes every second.
const WITHIN: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(200);

pub(super) async fn read(hands: &Hands, jail: &str, address: IpAddr) -> Result<Value, Error> {
    program::at_rest(&hands.state).await?;
    let until = Instant::now() + WITHIN;
    let mut reading = fail2ban::read().await;
    // A start of its client takes seconds where a host is busy.
    while reading.blind().is_some() && Instant::now() < until {
        reading = fail2ban::read().await;
    }
    if let Some(why) = reading.blind() {
        return Err(Error::broken(format!("fail2ban cannot be asked for its bans: {why}")));
    }
    // Where it does not run, its bans have ended with it.
    let jails = reading.value().map(|known| known.jails.as_slice()).unwrap_or_default();
    let banned = jails.iter().any(|j| j.name == jail && j.banned.iter().any(|(who, _)| *who == address));
    Ok(if banned { Value::Present } else { Value::Absent })
}

pub(super) async fn set(hands: &Hands, jail: &str, address: IpAddr, to: &Value) -> Result<(), Error> {
    let until = Instant::now() + WITHIN;
    // After a reboot it may just be starting.
    while fail2ban::read().await.value().is_none() && Instant::now() < until {
        tokio::time::sleep(LOOK).await;
    }
    let verb = if *to == Value::Absent { "unbanip" } else { "banip" };
    let argv = ["fail2ban-client", "set", jail, verb, &address.to_string()].map(str::to_owned);
    program::run(&hands.state, &argv).await?;
    let until = Instant::now() + WITHIN;
    while read(hands, jail, address).await? != *to && Instant::now() < until {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
