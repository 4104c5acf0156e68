//! What rules do: verdicts, marks, address translation, and what takes the packet elsewhere.

#![expect(clippy::wildcard_enum_match_arm, reason = "of the many expressions few are meant")]

use super::bytes::{Byte, known};
use super::rule::{Spot, Step, Task, Then};
use super::strand::{Ignored, Kind, State, Tracking};
use super::walker::Walker;
use crate::facts::ruleset::SetId;
use crate::facts::ruleset::expr::{Base, CtKey, DynsetOp, Expr, LookupTo, MetaKey, Verdict};
use crate::facts::ruleset::xt::{Match, RecentDoes, Target, Xt};
use crate::facts::socket::Transport;

/// May it change what becomes of a packet, other than by not matching?
pub(super) fn matters(expr: &Expr) -> bool {
    match expr {
        Expr::Verdict(verdict) => !matches!(verdict, Verdict::Continue | Verdict::Break),
        Expr::Lookup { to, .. } => *to == LookupTo::Verdict,
        Expr::MetaSet { key, .. } => *key == MetaKey::Mark,
        Expr::CtSet { key, .. } => matches!(key, CtKey::Mark | CtKey::Labels | CtKey::Zone),
        Expr::Reject(_)
        | Expr::Nat { .. }
        | Expr::Masquerade { .. }
        | Expr::Redirect { .. }
        | Expr::Tproxy { .. }
        | Expr::Objref { .. }
        | Expr::ObjrefMap { .. }
        | Expr::Dynset { .. }
        | Expr::Synproxy
        | Expr::Fwd { .. }
        | Expr::Queue { .. }
        | Expr::Notrack
        | Expr::PayloadSet { .. }
        | Expr::Opaque { .. } => true,
        Expr::Xt(Xt::Target(target)) => !matches!(target, Target::Log { .. } | Target::Changes { .. } | Target::Ct),
        Expr::Xt(Xt::Match(Match::Recent(recent))) => recent.does != RecentDoes::Check,
        _ => false,
    }
}

/// Must the strand be cut by the matches before it?
pub(super) fn is_effect(expr: &Expr) -> bool {
    // What `recent` puts into its list, it puts in for those who passed the matches before.
    matters(expr) && !matches!(expr, Expr::Lookup { .. })
}

impl<'k> Walker<'k> {
    /// Does what an expression says.
    pub(super) fn effect(&mut self, spot: Spot<'_, 'k>, expr: &'k Expr, task: &mut Task) -> Step {
        match expr {
            Expr::Verdict(verdict) => Step::Do(Then::Verdict(verdict.clone())),
            Expr::Reject(with) => Step::Do(Then::Reject(*with)),
            Expr::MetaSet { key: MetaKey::Mark, from } => {
                let mark = four(task.registers.get(*from, 4));
                task.strand.state().mark = mark;
                Step::Do(Then::On)
            }
            Expr::CtSet { key: CtKey::Zone, from, .. } => {
                let zone = known(task.registers.get(*from, 2));
                if zone.is_some_and(|zone| zone == [0, 0]) { Step::Do(Then::On) } else { self.zone() }
            }
            Expr::CtSet { key, from, .. } => {
                let mark = four(task.registers.get(*from, 4));
                set_ct(task.strand.state(), *key, mark);
                Step::Do(Then::On)
            }
            Expr::Notrack => {
                notrack(spot, task);
                Step::Do(Then::On)
            }
            Expr::PayloadSet { base, offset, .. } => self.rewritten(*base, *offset),
            Expr::Nat { .. } | Expr::Masquerade { .. } | Expr::Redirect { .. } => self.nat(spot, expr, task),
            Expr::Tproxy { .. } => self.lost("a rule hands the packet to a local proxy"),
            Expr::Fwd { .. } => self.lost("a rule sends the packet out by another interface"),
            Expr::Queue { .. } => self.lost("a program decides (queue)"),
            Expr::Synproxy => self.synproxy(task),
            Expr::ObjrefMap { set, from } => self.object_map(spot.frame, set, *from, task),
            Expr::Dynset { set, op, key, exprs, inverted, .. } => {
                let id = SetId { table: spot.frame.chain.table.clone(), name: set.clone() };
                let limited = self.put(id, *op, *key, task) || exprs.iter().any(limits);
                if limited {
                    return self.doubtful("it depends on what was counted for its element");
                }
                Step::Do(if *inverted { Then::Fail } else { Then::On })
            }
            Expr::Xt(Xt::Target(target)) => self.xt_target(spot, target, task),
            _ => Step::Do(Then::On),
        }
    }

    /// What happens to the packet is not known.
    pub(super) fn lost(&mut self, why: &str) -> Step {
        Step::Do(Then::Lost(self.why(why)))
    }

    /// Connections of other zones of connection tracking are others, also where addresses and ports are the same.
    pub(super) fn zone(&mut self) -> Step {
        self.lost("a rule puts it into a zone of connection tracking, and zones are not followed")
    }

    pub(super) fn synproxy(&mut self, task: &Task) -> Step {
        if matches!(task.strand.state.kind, Kind::First(Transport::Tcp)) {
            return self.lost("a SYN proxy answers in the server's place");
        }
        Step::Do(Then::Fail)
    }

    /// A rule that writes into the packet.
    fn rewritten(&mut self, base: Base, offset: u32) -> Step {
        let ends = match base {
            Base::Network if self.v6 => (8..40).contains(&offset),
            Base::Network => (12..20).contains(&offset),
            Base::Transport => offset < 4,
            Base::Link | Base::Inner => false,
        };
        if ends { self.lost("a rule rewrites the packet's addresses") } else { Step::Do(Then::On) }
    }

    /// Puts a key into a set, for rules that look for it later; true where elements of that set have limits.
    fn put(&mut self, id: SetId, op: DynsetOp, key: u8, task: &mut Task) -> bool {
        let Some(declared) = self.ruleset.set(&id) else { return false };
        if op != DynsetOp::Delete {
            let len = usize::try_from(declared.key_len).unwrap_or(0);
            let key = task.registers.get(key, len).to_vec();
            task.strand.state().added.push((id, key));
        }
        declared.exprs.iter().any(limits)
    }
}

fn limits(expr: &Expr) -> bool {
    matches!(expr, Expr::Limit { .. } | Expr::Connlimit { .. } | Expr::Quota { .. })
}

/// Four bytes.
pub(super) fn four(bytes: &[Byte]) -> [Byte; 4] {
    bytes.try_into().unwrap_or([Byte::Const(0); 4])
}

fn set_ct(state: &mut State, key: CtKey, mark: [Byte; 4]) {
    if matches!(state.tracking, Tracking::Unseen | Tracking::Invalid | Tracking::Untracked) {
        return;
    }
    match key {
        CtKey::Mark => state.connection.mark = mark,
        CtKey::Labels => state.connection.labelled = true,
        _ => {}
    }
}

/// Connection tracking shall leave the packet alone.
pub(super) fn notrack(spot: Spot<'_, '_>, task: &mut Task) {
    let state = task.strand.state();
    let free = match state.tracking {
        Tracking::Unseen => state.ignored != Ignored::Never,
        // Of a reset that it does not know connection tracking itself forgets that.
        Tracking::Invalid => state.ignored != Ignored::Never || state.kind == Kind::Reset,
        Tracking::Untracked | Tracking::New | Tracking::Established | Tracking::Related => false,
    };
    if free && !state.looped {
        state.tracking = Tracking::Untracked;
        state.ignored = Ignored::By(spot.place());
    }
}

/// A constant address in registers.
pub(super) fn address_of(bytes: &[Byte]) -> Option<std::net::IpAddr> {
    let bytes = known(bytes)?;
    if let Ok(v4) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes.as_slice()).ok().map(Into::into)
}
