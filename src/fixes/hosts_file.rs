//! Plans about /etc/hosts.

use std::net::IpAddr;

use super::action::{Action, Edit, Hunk};
use super::plan::Plan;
use crate::facts::name::HostsLine;

const FILE: &str = "/etc/hosts";

/// Takes a name off its line; the line itself becomes a comment where it holds no other name.
pub fn take_out(line: &HostsLine, host: &str) -> Plan {
    let new = without(&line.text, host).unwrap_or_else(|| format!("# {}", line.text));
    let title = format!("take {host} out of {FILE}");
    Plan::new("remove-hosts-line", &title).step(title, edit(line, vec![new]))
}

/// Gives a name another address. Other names of its line keep theirs.
pub fn correct(line: &HostsLine, host: &str, address: IpAddr) -> Plan {
    let body = line.text.trim_start();
    let rest = body.split_once(char::is_whitespace).map_or("", |(first, _)| body.get(first.len()..).unwrap_or(""));
    let new = match without(&line.text, host) {
        Some(others) => vec![others, format!("{address} {host}")],
        None => vec![format!("{address}{rest}")],
    };
    let title = format!("let {host} be {address} in {FILE}");
    Plan::new("correct-hosts-line", &title).step(title, edit(line, new))
}

/// Gives a name that has no line an address of this host, for this host alone.
pub fn add(host: &str, address: IpAddr) -> Plan {
    let title = format!("let {host} be {address} in {FILE}");
    let hunk = Hunk { line: 0, old: Vec::new(), new: vec![format!("{address} {host}")] };
    Plan::new("add-hosts-line", &title)
        .warn(format!("only this host is told: others still ask the name service for {host}"))
        .step(title, Action::Edit(Edit { file: FILE.into(), hunks: vec![hunk] }))
}

fn edit(line: &HostsLine, new: Vec<String>) -> Action {
    Action::Edit(Edit { file: FILE.into(), hunks: vec![Hunk { line: line.line, old: vec![line.text.clone()], new }] })
}

/// The line without a name; none where it then names nothing.
fn without(text: &str, host: &str) -> Option<String> {
    let (body, comment) = text.find('#').map_or((text, ""), |at| text.split_at(at));
    let kept: String =
        body.split_inclusive(char::is_whitespace).filter(|word| !word.trim_end().eq_ignore_ascii_case(host)).collect();
    (kept.split_whitespace().count() > 1).then(|| format!("{kept}{comment}").trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> HostsLine {
        HostsLine { line: 3, address: "10.1.0.2".parse().unwrap(), text: text.into() }
    }

    #[test]
    fn only_the_name_that_is_wrong_is_taken_out() {
        let out = |text: &str| take_out(&line(text), "db.example").commands();
        assert_eq!(out("10.1.0.2 db.example"), "edit /etc/hosts:3: # 10.1.0.2 db.example");
        assert_eq!(out("10.1.0.2\tdb.example web.example # old"), "edit /etc/hosts:3: 10.1.0.2\tweb.example # old");
        assert_eq!(out("10.1.0.2 db.example2 DB.example"), "edit /etc/hosts:3: 10.1.0.2 db.example2");
    }

    #[test]
    fn other_names_keep_their_address() {
        let to = |text: &str| correct(&line(text), "db.example", "10.2.0.2".parse().unwrap()).commands();
        assert_eq!(to("10.1.0.2  db.example # old"), "edit /etc/hosts:3: 10.2.0.2  db.example # old");
        let both = "edit /etc/hosts:3: 10.1.0.2 web\nedit /etc/hosts:3: 10.2.0.2 db.example";
        assert_eq!(to("10.1.0.2 db.example web"), both);
    }
}
