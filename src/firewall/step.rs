//! One expression of a rule: what it loads, compares or looks up. What it does is in `effect`.

#![expect(clippy::wildcard_enum_match_arm, reason = "of the many expressions few are meant")]

use super::bytes::{self, Byte, known};
use super::load::Loaded;
use super::lookup::Asked;
use super::rule::{Spot, Step, Task, Then};
use super::split::Test;
use super::strand::Kind;
use super::walker::{Frame, ODD, Walker};
use crate::facts::ruleset::expr::{BitOp, CmpOp, Expr, ExthdrOf};
use crate::facts::ruleset::xt::Xt;
use crate::facts::socket::Transport;

impl<'k> Walker<'k> {
    /// Looks at one expression.
    #[expect(clippy::too_many_lines, reason = "a line for each kind of expression")]
    pub(super) fn step(&mut self, spot: Spot<'_, 'k>, expr: &'k Expr, task: &mut Task) -> Step {
        let frame = spot.frame;
        match expr {
            Expr::Payload { .. } | Expr::Meta { .. } | Expr::Ct { .. } => self.load(frame, expr, task),
            Expr::Immediate { to, data } => Self::loaded(*to, Loaded::Bytes(bytes::constant(data)), task),
            Expr::Cmp { from, op, data } => Step::Test(self.compare(task.registers.get(*from, data.len()), *op, data)),
            Expr::Range { from, inverted, low, high } => {
                let held = task.registers.get(*from, low.len());
                Step::Test(bytes::between(held, low, high, self.v6, ODD).inverted(*inverted))
            }
            Expr::Bitwise { from, to, len, op } => {
                let held = task.registers.get(*from, usize::try_from(*len).unwrap_or(0)).to_vec();
                let bytes = self.bitwise(&held, op);
                Self::loaded(*to, Loaded::Bytes(bytes), task)
            }
            Expr::Byteorder { from, to, len, size } => {
                let size = usize::try_from(*size).unwrap_or(1).max(1);
                let held = task.registers.get(*from, usize::try_from(*len).unwrap_or(0)).to_vec();
                let turned = if cfg!(target_endian = "little") {
                    held.chunks(size).flat_map(|part| part.iter().rev().copied()).collect()
                } else {
                    held
                };
                Self::loaded(*to, Loaded::Bytes(turned), task)
            }
            Expr::Lookup { set, from, to, inverted } => {
                let asked = Asked { set, from: *from, to: *to, inverted: *inverted };
                self.lookup(frame, &asked, task)
            }
            Expr::Fib { result, flags, to } => self.fib(spot.frame, *result, (*flags, *to), task),
            Expr::Exthdr { of, present, to, len, .. } => {
                let len = if *present { 1 } else { usize::try_from(*len).unwrap_or(4) };
                self.option(*of, *present, (*to, len), task)
            }
            Expr::Socket { to, .. } => self.blank_load("it depends on the socket", *to, 8, task),
            Expr::Rt { to, .. } => self.blank_load("it depends on the route", *to, 16, task),
            Expr::Osf { to } => self.blank_load("it depends on the client's operating system", *to, 16, task),
            Expr::Numgen { to, .. } => self.blank_load("it depends on a counter or a random number", *to, 4, task),
            Expr::Hash { to, .. } => self.blank_load("it depends on a hash", *to, 4, task),
            Expr::Xfrm { .. } => Step::Do(Then::Fail),
            Expr::Limit { .. } => self.doubtful("it depends on a rate limit"),
            Expr::Connlimit { .. } => self.doubtful("it depends on how many connections there are"),
            Expr::Quota { bytes, used, inverted } => self.quota(*bytes, *used, *inverted),
            Expr::Objref { name } => self.object(frame, name, task),
            Expr::Opaque { name, .. } => self.opaque(name, task),
            Expr::Last | Expr::Counter { .. } | Expr::Log { .. } | Expr::Dup { .. } | Expr::FlowOffload { .. } => {
                Step::Do(Then::On)
            }
            Expr::Xt(Xt::Match(found)) => self.xt_match(frame, found, task),
            Expr::PayloadSet { .. }
            | Expr::MetaSet { .. }
            | Expr::CtSet { .. }
            | Expr::ExthdrSet { .. }
            | Expr::Reject(_)
            | Expr::Nat { .. }
            | Expr::Masquerade { .. }
            | Expr::Redirect { .. }
            | Expr::Tproxy { .. }
            | Expr::Verdict(_)
            | Expr::ObjrefMap { .. }
            | Expr::Dynset { .. }
            | Expr::Synproxy
            | Expr::Fwd { .. }
            | Expr::Queue { .. }
            | Expr::Notrack
            | Expr::Xt(Xt::Target(_)) => self.effect(spot, expr, task),
        }
    }

    fn load(&mut self, frame: &Frame<'k>, expr: &Expr, task: &mut Task) -> Step {
        let state = task.strand.state.clone();
        let (to, loaded) = match expr {
            Expr::Payload { base, offset, len, to } => (*to, self.payload(frame, &state, *base, (*offset, *len))),
            Expr::Meta { key, to } => (*to, self.meta(frame, &state, *key)),
            Expr::Ct { key, direction, to } => (*to, self.ct(&state, *key, *direction)),
            _ => return Step::Do(Then::Fail),
        };
        Self::loaded(to, loaded, task)
    }

    /// Stores what was loaded.
    pub(super) fn loaded(to: u8, loaded: Loaded, task: &mut Task) -> Step {
        match loaded {
            Loaded::Bytes(bytes) => {
                task.registers.set(to, &bytes);
                Step::Do(Then::On)
            }
            Loaded::Break => Step::Do(Then::Fail),
        }
    }

    fn blank_load(&mut self, why: &str, to: u8, len: usize, task: &mut Task) -> Step {
        let bytes = self.blank(why, len);
        Self::loaded(to, Loaded::Bytes(bytes), task)
    }

    /// Cannot be told.
    pub(super) fn doubtful(&mut self, why: &str) -> Step {
        Step::Do(Then::Doubt(self.why(why)))
    }

    fn compare(&self, held: &[Byte], op: CmpOp, data: &[u8]) -> Test {
        let below = || vec![0; data.len()];
        let above = || vec![0xff; data.len()];
        match op {
            CmpOp::Eq => bytes::equal(held, data, self.v6, ODD),
            CmpOp::Neq => bytes::equal(held, data, self.v6, ODD).not(),
            CmpOp::Lte => bytes::between(held, &below(), data, self.v6, ODD),
            CmpOp::Gt => bytes::between(held, &below(), data, self.v6, ODD).not(),
            CmpOp::Gte => bytes::between(held, data, &above(), self.v6, ODD),
            CmpOp::Lt => bytes::between(held, data, &above(), self.v6, ODD).not(),
        }
    }

    fn bitwise(&mut self, held: &[Byte], op: &BitOp) -> Vec<Byte> {
        match op {
            BitOp::Mask { mask, xor } => {
                let pairs = mask.iter().zip(xor);
                held.iter().zip(pairs).map(|(byte, (mask, xor))| byte.bits(*mask, *xor)).collect()
            }
            BitOp::Left(by) | BitOp::Right(by) => {
                let left = matches!(op, BitOp::Left(_));
                match known(held) {
                    Some(data) => bytes::constant(&shifted(&data, *by, left)),
                    None => self.blank("it depends on bits that are shifted", held.len()),
                }
            }
            BitOp::Other(_) => self.blank("it depends on an operation this program does not know", held.len()),
        }
    }

    /// Options of the packet's headers.
    fn option(&mut self, of: ExthdrOf, present: bool, (to, len): (u8, usize), task: &mut Task) -> Step {
        match of {
            ExthdrOf::Ipv6 | ExthdrOf::Ipv4 if present => Self::loaded(to, Loaded::Bytes(bytes::constant(&[0])), task),
            ExthdrOf::Ipv6 | ExthdrOf::Ipv4 | ExthdrOf::Sctp | ExthdrOf::Dccp => Step::Do(Then::Fail),
            // Only TCP has options; a reset that a rule makes has none.
            ExthdrOf::Tcp
                if !matches!(task.strand.state.kind, Kind::First(Transport::Tcp) | Kind::Answer(Transport::Tcp)) =>
            {
                if present {
                    Self::loaded(to, Loaded::Bytes(bytes::constant(&[0])), task)
                } else {
                    Step::Do(Then::Fail)
                }
            }
            ExthdrOf::Tcp | ExthdrOf::Other(_) => {
                let bytes = self.blank("it depends on an option of the packet", len);
                task.registers.set(to, &bytes);
                // An option that is not there ends the rule; only its presence can be asked for without that.
                if present { Step::Do(Then::On) } else { self.doubtful("it depends on an option of the packet") }
            }
        }
    }

    /// `until` (or, inverted, `over`) an amount: what was used already may decide it.
    fn quota(&mut self, bytes: u64, used: u64, inverted: bool) -> Step {
        if used > bytes {
            return Step::Test(Test::of(inverted));
        }
        if bytes - used > 1 << 17 {
            return Step::Test(Test::of(!inverted));
        }
        self.doubtful("it depends on a quota that is nearly used up")
    }

    /// A named object of the rule's table.
    fn object(&mut self, frame: &Frame<'k>, name: &str, task: &mut Task) -> Step {
        let table = &frame.chain.table;
        let Some(object) = self.ruleset.objects.iter().find(|o| o.table == *table && o.name == name) else {
            return self.doubtful("it depends on an object that was not read");
        };
        match &object.does {
            Expr::Quota { bytes, used, inverted } => self.quota(*bytes, *used, *inverted),
            Expr::Limit { .. } => self.doubtful("it depends on a rate limit"),
            Expr::Connlimit { .. } => self.doubtful("it depends on how many connections there are"),
            Expr::Synproxy => self.synproxy(task),
            _ => Step::Do(Then::On),
        }
    }

    /// One that this program does not know: it may match or not, and load whatever it likes.
    fn opaque(&mut self, name: &str, task: &mut Task) -> Step {
        let why = format!("it depends on an expression this program does not know ({name})");
        let bytes = self.blank(&why, 64);
        task.registers.set(0, &bytes);
        let plain =
            ["payload", "inner", "bitwise", "cmp", "range", "lookup", "meta", "ct", "exthdr", "match", "last", "osf"];
        let doubt = self.why(&why);
        Step::Do(if plain.contains(&name) { Then::Doubt(doubt) } else { Then::Lost(doubt) })
    }
}

/// Shifts as the kernel does: 32-bit words in the host's order, the first being the highest.
fn shifted(data: &[u8], by: u32, left: bool) -> Vec<u8> {
    let by = by % 32;
    let word = |part: &[u8]| {
        let mut four = [0; 4];
        four.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
        u32::from_ne_bytes(four)
    };
    let mut words: Vec<u32> = data.chunks(4).map(word).collect();
    let mut carry = 0;
    let mut shift = |word: &mut u32| {
        let whole = u64::from(*word);
        if left {
            let wide = whole << by;
            *word = u32::try_from(wide & 0xffff_ffff).unwrap_or(0) | carry;
            carry = u32::try_from(wide >> 32).unwrap_or(0);
        } else {
            let wide = (whole << 32) >> by;
            *word = u32::try_from(wide >> 32).unwrap_or(0) | carry;
            carry = u32::try_from(wide & 0xffff_ffff).unwrap_or(0);
        }
    };
    if left {
        words.iter_mut().rev().for_each(&mut shift);
    } else {
        words.iter_mut().for_each(&mut shift);
    }
    words.iter().flat_map(|word| word.to_ne_bytes()).take(data.len()).collect()
}
