//! The other side: reads questions from standard input, a JSON line each, and writes the answers as they come.

use std::io::{BufRead as _, Read as _, Write as _};

use tokio::sync::mpsc;

use super::{Ask, Hello, PROTOCOL, Told};
use crate::error::Error;
use crate::sources::{IN_FLIGHT, Sources};

/// Questions are short; whoever sends more is no unrefuse.
const LONGEST: u64 = 1 << 20;

/// Answers until standard input ends.
pub async fn serve() -> Result<(), Error> {
    let (sender, mut arrivals) = mpsc::channel(IN_FLIGHT);
    let sources = Sources::new(sender);
    let connection = std::env::var("SSH_CONNECTION").ok();
    say(&Told::Hello(Hello { protocol: PROTOCOL, connection }))?;
    let (asks, mut asked) = mpsc::channel(IN_FLIGHT);
    // A thread of its own: nothing else would wake a read that waits when the program ends.
    std::thread::spawn(move || listen(&asks));
    loop {
        tokio::select! {
            ask = asked.recv() => match ask {
                Some(Ask { number, question }) => sources.ask(question, number),
                None => return Ok(()),
            },
            Some(arrival) = arrivals.recv() => {
                say(&Told::Fact { number: arrival.generation, fact: Box::new(arrival.fact) })?;
            }
        }
    }
}

/// Hands on questions until there are no more, or something comes that is none.
fn listen(asks: &mpsc::Sender<Ask>) {
    let mut lines = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let read = (&mut lines).take(LONGEST).read_until(b'\n', &mut line);
        let Ok(ask) = serde_json::from_slice(&line) else { return };
        if read.is_err() || asks.blocking_send(ask).is_err() {
            return;
        }
    }
}

fn say(told: &Told) -> Result<(), Error> {
    let gone = |e: std::io::Error| Error::broken("the other side is gone").because(e);
    let mut line = serde_json::to_vec(told).map_err(|e| gone(e.into()))?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line).and_then(|()| out.flush()).map_err(gone)
}
