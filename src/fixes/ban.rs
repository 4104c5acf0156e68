//! Plans about clients that somebody banned.

use std::net::IpAddr;

use super::action::Action;
use super::plan::{Lasting, Plan, Scope};

/// Lifts a ban of fail2ban.
pub fn unban(jail: &str, address: IpAddr) -> Plan {
    let does = format!("lift the ban of {address} in {jail}");
    Plan::new("unban", &does)
        .scope(Scope::Client)
        .lasting(Lasting::Permanent)
        .warn(format!("what {address} did to be banned bans it again"))
        .warn("a ban that is put back begins anew")
        .step(does, Action::Unban { jail: jail.to_owned(), address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_is_lifted_and_put_back() {
        let plan = unban("sshd", "10.1.0.2".parse().unwrap());
        assert_eq!(plan.commands(), "fail2ban-client set sshd unbanip 10.1.0.2");
        assert_eq!(plan.undo_commands().unwrap(), "fail2ban-client set sshd banip 10.1.0.2");
        assert!(plan.guarded());
    }
}
