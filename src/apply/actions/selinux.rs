//! Labels of SELinux: types of ports by semanage, labels of files, switches of the policy.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::program;
use crate::apply::Hands;
use crate::apply::change::Value;
use crate::error::Error;
use crate::fixes::action::PortLabel;

/// semanage builds the whole policy anew: seconds, and on a slow machine a minute.
const SEMANAGE_WITHIN: Duration = Duration::from_secs(150);
const LABEL: &str = "security.selinux";
const BOOLEANS: &str = "/sys/fs/selinux/booleans";

/// The type that this host gave a port, beside what the policy says.
pub(super) async fn port(hands: &Hands, label: &PortLabel) -> Result<Value, Error> {
    program::at_rest(&hands.state).await?;
    for file in local_files() {
        match fs::read_to_string(&file) {
            Ok(text) => return Ok(of_port(&text, label).map_or(Value::Absent, |kind| Value::Word(kind.to_owned()))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::broken(format!("cannot read {}", file.display())).because(error)),
        }
    }
    Ok(Value::Absent)
}

/// `portcon tcp 8099 system_u:object_r:http_port_t:s0`
fn of_port<'a>(text: &'a str, label: &PortLabel) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let ["portcon", transport, port, context] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        let own = transport == label.transport && port.parse() == Ok(label.port);
        own.then(|| context.split(':').nth(2)).flatten()
    })
}

/// Where semanage keeps what this host adds to the policy.
fn local_files() -> Vec<PathBuf> {
    let Some(kind) = policy_kind() else { return Vec::new() };
    vec![
        Path::new("/var/lib/selinux").join(&kind).join("active/ports.local"),
        Path::new("/etc/selinux").join(&kind).join("active/ports.local"),
        Path::new("/etc/selinux").join(&kind).join("modules/active/ports.local"),
    ]
}

/// The name of the policy: `targeted`, `default`.
fn policy_kind() -> Option<String> {
    let config = fs::read_to_string("/etc/selinux/config").unwrap_or_default();
    let kind = config.lines().find_map(|line| line.trim().strip_prefix("SELINUXTYPE=")).unwrap_or("targeted").trim();
    let plain = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    plain.then(|| kind.to_owned())
}

/// Whether this host made a domain permissive: semanage keeps that as a module of its own.
pub(super) async fn permissive(hands: &Hands, domain: &str) -> Result<Value, Error> {
    program::at_rest(&hands.state).await?;
    let module = format!("permissive_{}", named(domain)?);
    let kind = policy_kind().ok_or_else(|| Error::broken("/etc/selinux/config names no policy"))?;
    let there = ["/var/lib/selinux", "/etc/selinux"].iter().any(|store| {
        // 400 is where semanage puts what it makes.
        Path::new(store).join(&kind).join("active/modules/400").join(&module).exists()
    });
    Ok(if there { Value::Present } else { Value::Absent })
}

pub(super) async fn set_permissive(hands: &Hands, domain: &str, to: &Value) -> Result<(), Error> {
    let verb = if *to == Value::Absent { "-d" } else { "-a" };
    let argv = ["semanage", "permissive", verb, named(domain)?].map(str::to_owned);
    program::run_within(&hands.state, &argv, SEMANAGE_WITHIN).await
}

pub(super) async fn set_port(hands: &Hands, label: &PortLabel, old: &Value, new: &Value) -> Result<(), Error> {
    let argv = match new {
        Value::Word(kind) => label.argv(kind, *old != Value::Absent || label.of_policy),
        Value::Absent | Value::Present | Value::File(_) | Value::Kept(_) => label.back(),
    };
    program::run_within(&hands.state, &argv, SEMANAGE_WITHIN).await
}

/// The label of a file.
pub(super) fn label(file: &str) -> Result<Value, Error> {
    let label =
        xattr::get(file, LABEL).map_err(|e| Error::broken(format!("cannot read the label of {file}")).because(e))?;
    Ok(label.map_or(Value::Absent, |bytes| Value::Word(String::from_utf8_lossy(&bytes).trim_matches('\0').to_owned())))
}

pub(super) fn set_label(file: &str, to: &Value) -> Result<(), Error> {
    let Value::Word(context) = to else { return Err(Error::broken(format!("{file} had no label"))) };
    let failed = |e: std::io::Error| Error::broken(format!("cannot label {file}")).because(e);
    xattr::set(file, LABEL, context.as_bytes()).map_err(failed)
}

/// What a switch is set to now.
pub(super) async fn switch(hands: &Hands, name: &str) -> Result<Value, Error> {
    program::at_rest(&hands.state).await?;
    let path = Path::new(BOOLEANS).join(named(name)?);
    let text =
        fs::read_to_string(&path).map_err(|e| Error::broken(format!("cannot read {}", path.display())).because(e))?;
    Ok(word(text.starts_with('1')))
}

/// As setsebool says it.
pub(super) fn word(on: bool) -> Value {
    Value::Word(if on { "on" } else { "off" }.into())
}

pub(super) async fn set_switch(hands: &Hands, name: &str, to: &Value) -> Result<(), Error> {
    let on = *to == word(true);
    let argv = ["setsebool", named(name)?, if on { "1" } else { "0" }].map(str::to_owned);
    program::run(&hands.state, &argv).await
}

fn named(name: &str) -> Result<&str, Error> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty();
    if plain { Ok(name) } else { Err(Error::input(format!("{name} is no name of SELinux"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_host_added_is_read_from_its_file() {
        let text = "# This file is auto-generated by libsemanage\n\
                    portcon udp 8099 system_u:object_r:dns_port_t:s0\nportcon tcp 8099 system_u:object_r:http_port_t:s0\n";
        let label = |port| PortLabel { port, transport: "tcp".into(), kind: String::new(), of_policy: false };
        assert_eq!(of_port(text, &label(8099)), Some("http_port_t"));
        assert_eq!(of_port(text, &label(8098)), None);
    }

    #[test]
    fn switches_have_plain_names() {
        assert!(named("httpd_can_network_connect").is_ok());
        assert!(named("../../etc/passwd").is_err());
        assert!(named("").is_err());
    }
}
