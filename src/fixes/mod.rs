//! WHAT COULD BE DONE: plans as data, and their makers. Pure: nothing here reads or changes a host.
//!
//! A cause proposes plans (`Found::fix`); `apply` reads what they rest on, shows what they would change, and carries
//! them out. A maker is a function from facts to a [`Plan`], one subject a file, and is used by every cause it serves.
//!
//! To add a fix: use an [`Action`] that is there, or add one here and how it is read and set in `apply/actions`; write the
//! maker; let the cause propose it; and let its scenario below `tests/hosts` play it.

pub mod action;
pub mod apparmor;
pub mod ban;
pub mod check;
pub mod client;
pub mod firewalld;
pub mod hosts_file;
pub mod listen;
pub mod plan;
pub mod port;
pub mod rule;
pub mod selinux;
pub mod socket;
pub mod sysctl;
pub mod ufw;
pub mod unit;
pub mod wrappers;
pub mod xinetd;

pub use action::Action;
pub use plan::{Lasting, MadeOn, Plan, Risk, Scope, Step};
