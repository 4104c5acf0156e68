//! `listeners --once`: the listening sockets as a table or JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::facts::socket::{Listener, Owner};
use crate::text;

/// Rows in a stable order: transport, port, address.
pub fn sorted(listeners: &[Listener]) -> Vec<&Listener> {
    let mut rows: Vec<&Listener> = listeners.iter().collect();
    rows.sort_by_key(|l| (l.transport, l.port, l.address, l.device.clone()));
    rows
}

/// The table.
pub fn table(listeners: &[Listener], owners: &BTreeMap<u32, Owner>) -> String {
    let mut out = format!("{:<5} {:>6} {:>7}  {:<32} {}\n", "proto", "queue", "backlog", "local address", "owner");
    for l in sorted(listeners) {
        let owner = owners.get(&l.inode);
        let _ = writeln!(
            out,
            "{:<5} {:>6} {:>7}  {:<32} {}",
            l.transport.word(),
            l.queue,
            l.backlog,
            text::line(&l.shown()),
            text::line(&owner_words(owner)),
        );
    }
    out
}

/// `nginx[812] nginx.service`, `systemd[1]`, `?`.
pub fn owner_words(owner: Option<&Owner>) -> String {
    let Some(owner) = owner else { return "?".into() };
    match &owner.unit {
        Some(unit) if !owner.processes.is_empty() => format!("{} {unit}", owner.shown()),
        _ => owner.shown(),
    }
}

/// Schema `unrefuse.listeners/1`.
pub fn json(listeners: &[Listener], owners: &BTreeMap<u32, Owner>) -> Value {
    let rows: Vec<Value> = sorted(listeners).into_iter().map(|l| row(l, owners.get(&l.inode))).collect();
    json!({"schema": "unrefuse.listeners/1", "listeners": rows})
}

fn row(l: &Listener, owner: Option<&Owner>) -> Value {
    let processes = owner.map(|o| o.processes.as_slice()).unwrap_or_default();
    json!({
        "transport": l.transport.word(),
        "address": l.address,
        "port": l.port,
        "v6only": l.v6only,
        "device": l.device.as_deref().map(text::line),
        "queue": l.queue,
        "backlog": l.backlog,
        "uid": l.uid,
        "inode": l.inode,
        "unit": owner.and_then(|o| o.unit.as_deref()).map(text::line),
        "processes": processes.iter().map(|p| json!({"pid": p.pid, "name": text::line(&p.name)})).collect::<Vec<_>>(),
    })
}
