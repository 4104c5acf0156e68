//! Whom fail2ban has banned, and until when: asked of its own client, as its database and socket protocol are its own
//! affair.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tokio::net::UnixStream;

use crate::facts::Reading;
use crate::facts::firewalls::{Fail2ban, Jail};
use crate::sources::{Trouble, patient, program, trouble};

const SOCKET: &str = "/run/fail2ban/fail2ban.sock";
const CLIENT: &str = "fail2ban-client";
/// One call is a Python start of 0.1 to 0.3 s; the whole question has 4 s.
const WITHIN: Duration = Duration::from_millis(3500);
/// Jails asked at the same time.
const AT_ONCE: usize = 4;
/// Jails that are asked at all.
const MOST_JAILS: usize = 64;
/// A ban is a line of 60 bytes: about 100,000 of them.
const MOST_BYTES: u64 = 6 << 20;

/// The jails and their bans.
pub async fn read() -> Reading<Fail2ban> {
    let began = Instant::now();
    let after = patient(WITHIN);
    let look = tokio::time::timeout(after, jails()).await;
    trouble::reading(look.unwrap_or(Err(Trouble::TimedOut { after })), began)
}

async fn jails() -> Result<Option<Fail2ban>, Trouble> {
    match UnixStream::connect(SOCKET).await {
        Ok(_) => {}
        // A socket without a server is what a killed one leaves behind.
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(e) => return Err(Trouble::io(SOCKET, &e)),
    }
    let names = jail_list(&run(&["status"]).await?);
    let zone = TimeZone::system();
    let asked = names.into_iter().take(MOST_JAILS).map(|name| jail(name, &zone));
    let jails = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    Ok(Some(Fail2ban { jails }))
}

async fn jail(name: String, zone: &TimeZone) -> Result<Jail, Trouble> {
    let printed = run(&["get", &name, "banip", "--with-time"]).await?;
    Ok(Jail { banned: bans(&printed, zone), name })
}

/// What the client prints to this command.
async fn run(words: &[&str]) -> Result<String, Trouble> {
    let what = format!("{CLIENT} {}", words.join(" "));
    let printed = program::printed(CLIENT, words, &what, MOST_BYTES).await?;
    Ok(String::from_utf8_lossy(&printed).into_owned())
}

/// The names in what `fail2ban-client status` prints.
pub(in crate::sources) fn jail_list(printed: &str) -> Vec<String> {
    let lists = printed.lines().filter_map(|line| Some(line.split_once("Jail list:")?.1));
    let names = lists.flat_map(|list| list.split(',')).map(str::trim);
    // A name that its client would take for an option is none of its own.
    names.filter(|name| !name.is_empty() && !name.starts_with('-')).map(str::to_owned).collect()
}

/// The addresses in what `fail2ban-client get JAIL banip --with-time` prints. Bans of whole networks and of what is no
/// address at all are left out.
pub(in crate::sources) fn bans(printed: &str, zone: &TimeZone) -> Vec<(IpAddr, Option<u64>)> {
    printed.lines().filter_map(|line| ban(line, zone)).collect()
}

/// `10.1.0.2 \t2026-11-21 12:00:00 + 600 = 2026-11-21 12:10:00`: who, from when, for how many seconds, until when.
fn ban(line: &str, zone: &TimeZone) -> Option<(IpAddr, Option<u64>)> {
    let (address, times) = line.split_once('\t').unwrap_or((line, ""));
    let address = address.trim().parse().ok()?;
    Some((address, ends(times, zone)))
}

/// When it ends; a ban for ever has a negative length.
fn ends(times: &str, zone: &TimeZone) -> Option<u64> {
    let (begun, until) = times.rsplit_once('=')?;
    let (_, seconds) = begun.rsplit_once('+')?;
    if seconds.trim().starts_with('-') {
        return None;
    }
    let until: DateTime = until.trim().parse().ok()?;
    let at = until.to_zoned(zone.clone()).ok()?;
    u64::try_from(at.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STATUS: &str = "Status\n|- Number of jail:\t2\n`- Jail list:\tnginx-http-auth, sshd\n";
    const BANS: &str = "10.1.0.2 \t2026-11-21 12:00:00 + 600 = 2026-11-21 12:10:00\n\
        fd00:1::2 \t2026-11-21 12:00:00 + -1 = 9999-12-31 23:59:59\n\
        10.3.0.0/24 \t2026-11-21 12:00:00 + 600 = 2026-11-21 12:10:00\n";

    #[test]
    fn jails_of_a_status() {
        assert_eq!(jail_list(STATUS), ["nginx-http-auth", "sshd"]);
        assert_eq!(jail_list("Status\n|- Number of jail:\t0\n`- Jail list:\t\n"), Vec::<String>::new());
        assert_eq!(jail_list("Jail list: --conf, a"), ["a"]);
    }

    #[test]
    fn bans_end_or_never_do() {
        let read = bans(BANS, &TimeZone::UTC);
        assert_eq!(
            read,
            [("10.1.0.2".parse().unwrap(), Some(1_795_263_000_000)), ("fd00:1::2".parse().unwrap(), None)]
        );
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(bans(BANS, &zone).first().unwrap().1, Some(1_795_255_800_000));
        assert_eq!(bans("10.1.0.2\n", &TimeZone::UTC), [("10.1.0.2".parse().unwrap(), None)]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(at in 0..BANS.len(), with in "\\PC{0,6}", cut in 0..40_usize) {
            let mut text: Vec<char> = BANS.chars().collect();
            let end = (at + cut).min(text.len());
            text.splice(at..end, with.chars());
            let text: String = text.into_iter().collect();
            prop_assert!(bans(&text, &TimeZone::UTC).len() <= text.lines().count());
            prop_assert!(jail_list(&text).len() <= text.len());
        }
    }
}
