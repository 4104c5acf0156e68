//! Rules of the packet filter, each by whoever speaks to its table.

mod iptables;
mod nft;

use crate::apply::change::Value;
use crate::error::Error;
use crate::fixes::rule::{Rule, RuleTool};

/// Whether it is there: what it lets through, and our comment.
pub(super) fn read(rule: &Rule) -> Result<Value, Error> {
    let there = match rule.spot.tool {
        RuleTool::Nftables => nft::handle(rule)?.is_some(),
        RuleTool::IptablesNft | RuleTool::IptablesLegacy => iptables::is_there(rule)?,
    };
    Ok(if there { Value::Present } else { Value::Absent })
}

/// Puts it where it belongs, or takes it out. Nothing is done where that is so already.
pub(super) fn set(rule: &Rule, to: &Value) -> Result<(), Error> {
    let there = match to {
        Value::Present => true,
        Value::Absent => false,
        Value::Word(_) | Value::File(_) | Value::Kept(_) => {
            return Err(Error::broken(format!("a rule cannot be {to}")));
        }
    };
    match rule.spot.tool {
        RuleTool::Nftables => nft::set(rule, there),
        RuleTool::IptablesNft | RuleTool::IptablesLegacy => iptables::set(rule, there),
    }
}
