//! Rules of the packet filter, each by whoever speaks to its table.

mod iptables;
#[cfg(feature = "libnftnl")]
mod nft;
#[cfg(not(feature = "libnftnl"))]
#[path = "without_libnftnl.rs"]
mod nft;

use crate::apply::Hands;
use crate::apply::change::Value;
use crate::error::Error;
use crate::fixes::rule::{Rule, RuleTool};

/// How often it is tried again because somebody else changed the rules in between.
const TRIES: u32 = 8;

/// What became of a rule of ours.
enum Found {
    /// It is as we made it.
    Same,
    /// A rule with our comment is there, and does something else: somebody has edited it. Its words.
    Edited(String),
    /// There is none.
    Nowhere,
}

/// Whether it is there: what it lets through, and our comment. One that somebody has edited is neither there nor away.
pub(super) async fn read(hands: &Hands, rule: &Rule) -> Result<Value, Error> {
    let found = match rule.spot.tool {
        RuleTool::Nftables => nft::find(rule)?,
        RuleTool::IptablesNft | RuleTool::IptablesLegacy => iptables::find(hands, rule).await?,
    };
    Ok(match found {
        Found::Same => Value::Present,
        Found::Edited(words) => Value::Word(words),
        Found::Nowhere => Value::Absent,
    })
}

/// Puts it where it belongs, or takes it out. Nothing is done where that is so already.
pub(super) async fn set(hands: &Hands, rule: &Rule, to: &Value) -> Result<(), Error> {
    let there = match to {
        Value::Present => true,
        Value::Absent => false,
        Value::Word(_) | Value::File(_) | Value::Kept(_) => {
            return Err(Error::broken(format!("a rule cannot be {to}")));
        }
    };
    match rule.spot.tool {
        RuleTool::Nftables => nft::set(rule, there),
        RuleTool::IptablesNft | RuleTool::IptablesLegacy => iptables::set(hands, rule, there).await,
    }
}

/// Somebody changed the rules each time it was tried.
fn restless() -> Error {
    Error::broken("somebody else kept changing the rules").hint("try again")
}
