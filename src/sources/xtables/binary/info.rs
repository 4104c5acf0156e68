//! Fields of a kernel structure by their offsets. What lies outside of it is none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::facts::ruleset::Family;

/// The structure of a match or target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Info<'a> {
    bytes: &'a [u8],
    family: Family,
}

impl<'a> Info<'a> {
    /// The bytes of a structure of `size` bytes. The kernel rounds each up to 8; any other length is another structure.
    pub(super) fn of(bytes: &'a [u8], size: usize, family: Family) -> Option<Self> {
        (bytes.len() == size.next_multiple_of(8)).then_some(Self { bytes, family })
    }

    pub(super) fn family(self) -> Family {
        self.family
    }

    fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk().copied()
    }

    pub(super) fn u8(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    pub(super) fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_ne_bytes)
    }

    /// Two bytes in network order.
    pub(super) fn be16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    pub(super) fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_ne_bytes)
    }

    /// A byte that is 0 or 1. Older tools wrote whatever is not 0 for yes, as the kernel reads it.
    pub(super) fn yes(self, at: usize) -> Option<bool> {
        self.u8(at).map(|b| b != 0)
    }

    /// Flags in a byte, if all of them are known.
    pub(super) fn flags(self, at: usize, known: u8) -> Option<u8> {
        self.u8(at).filter(|flags| flags & !known == 0)
    }

    /// A text of at most `most` bytes that ends with a zero.
    pub(super) fn text(self, at: usize, most: usize) -> Option<String> {
        let field = self.bytes.get(at..at.checked_add(most)?)?;
        let text = field.split(|b| *b == 0).next().unwrap_or_default();
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// An IPv4 address.
    pub(super) fn v4(self, at: usize) -> Option<IpAddr> {
        self.array(at).map(|four: [u8; 4]| Ipv4Addr::from(four).into())
    }

    /// A `union nf_inet_addr`, in the family of the rule.
    pub(super) fn address(self, at: usize) -> Option<IpAddr> {
        match self.family {
            Family::Ip => self.v4(at),
            Family::Ip6 => self.array(at).map(|sixteen: [u8; 16]| Ipv6Addr::from(sixteen).into()),
            Family::Inet | Family::Netdev | Family::Arp | Family::Bridge => None,
        }
    }

    /// Two such unions, one after the other.
    pub(super) fn addresses(self, at: usize) -> Option<(IpAddr, IpAddr)> {
        Some((self.address(at)?, self.address(at.checked_add(16)?)?))
    }
}
