//! libnftnl behind safe types: the only module of this program with unsafe code.
//!
//! It parses messages of nf_tables into objects of its own, which are read here attribute by attribute and never leave:
//! what is handed out are slices that live no longer than their object. libnftnl trusts its messages: it ends the
//! *process* on an attribute of the wrong size and reads beyond a text without an end. So nothing may be given to it
//! that [`super::policy`] has not looked at; an [`Aligned`] message can only be made there.

#![expect(unsafe_code, reason = "libnftnl is a C library")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

use nftnl::nftnl_sys as c;

use super::policy::{self, Sane};

/// Length of `struct nlmsghdr`.
const HEADER: usize = size_of::<c::libc::nlmsghdr>();
/// Words of zeros after a message, which end a text that has no end of its own.
const ZEROS: usize = 2;

/// A message as libnftnl takes it: aligned for `struct nlmsghdr`, with its header, and zeros after its end.
#[derive(Debug, Default)]
pub(super) struct Aligned {
    words: Vec<u64>,
    kind: u16,
}

impl Aligned {
    /// Puts a message in.
    pub(super) fn load(&mut self, message: &Sane<'_>) -> &Self {
        let body = message.body();
        let length = HEADER + body.len();
        self.kind = message.kind();
        self.words.clear();
        self.words.resize(length.div_ceil(size_of::<u64>()) + ZEROS, 0);
        let room = self.words.len() * size_of::<u64>();
        // SAFETY: the words are ours alone, initialised, and as many bytes as `room` says; bytes need no alignment.
        let bytes = unsafe { std::slice::from_raw_parts_mut(self.words.as_mut_ptr().cast::<u8>(), room) };
        let header: [&[u8]; 2] = [&u32::try_from(length).unwrap_or(0).to_ne_bytes(), &message.kind().to_ne_bytes()];
        // Flags, sequence and sender mean nothing to libnftnl.
        let header = header.into_iter().flatten().chain(&[0; HEADER]).take(HEADER);
        for (to, from) in bytes.iter_mut().zip(header) {
            *to = *from;
        }
        if let Some(rest) = bytes.get_mut(HEADER..length) {
            rest.copy_from_slice(body);
        }
        self
    }

    fn header(&self) -> *const c::libc::nlmsghdr {
        self.words.as_ptr().cast()
    }
}

/// Anything whose attributes can be read, each with its width checked.
pub(super) trait Values {
    /// An attribute's bytes, in the host's order where they are a number; none where it is not set.
    fn data(&self, attribute: u32) -> Option<&[u8]>;

    /// One byte.
    fn u8(&self, attribute: u32) -> Option<u8> {
        self.data(attribute)?.try_into().ok().map(u8::from_ne_bytes)
    }

    /// Two bytes.
    fn u16(&self, attribute: u32) -> Option<u16> {
        self.data(attribute)?.try_into().ok().map(u16::from_ne_bytes)
    }

    /// Four bytes.
    fn u32(&self, attribute: u32) -> Option<u32> {
        self.data(attribute)?.try_into().ok().map(u32::from_ne_bytes)
    }

    /// Four bytes with a sign.
    fn i32(&self, attribute: u32) -> Option<i32> {
        self.u32(attribute).map(u32::cast_signed)
    }

    /// Eight bytes.
    fn u64(&self, attribute: u32) -> Option<u64> {
        self.data(attribute)?.try_into().ok().map(u64::from_ne_bytes)
    }

    /// Text.
    fn text(&self, attribute: u32) -> Option<String> {
        self.data(attribute).map(super::walk::text)
    }
}

/// A slice of what libnftnl points to.
///
/// # Safety
///
/// `data` is null or points to `length` bytes that stay as they are for `'a`.
unsafe fn slice<'a>(data: *const c_void, length: u32) -> Option<&'a [u8]> {
    let length = usize::try_from(length).ok()?;
    if data.is_null() || length == 0 {
        return None;
    }
    // SAFETY: promised by the caller; bytes need no alignment.
    Some(unsafe { std::slice::from_raw_parts(data.cast(), length) })
}

macro_rules! object {
    ($(#[$doc:meta])* $name:ident, $kind:expr, $raw:ident, $alloc:ident, $free:ident, $parse:ident, $is_set:ident, $get:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name(NonNull<c::$raw>);

        impl $name {
            /// None where libnftnl could not make sense of all of it, or it is a message about something else.
            pub(super) fn parse(message: &Aligned) -> Option<Self> {
                if message.kind != $kind {
                    return None;
                }
                // SAFETY: takes nothing, returns null or an object that is ours alone.
                let object = Self(NonNull::new(unsafe { c::$alloc() })?);
                // SAFETY: `header` is aligned and followed by as many bytes as it says (`Aligned::load`), which were
                // checked for this kind (`Sane`); the object is a fresh one of this kind.
                let done = unsafe { c::$parse(message.header(), object.0.as_ptr()) };
                (done >= 0).then_some(object)
            }
        }

        impl Values for $name {
            fn data(&self, attribute: u32) -> Option<&[u8]> {
                let attribute = u16::try_from(attribute).ok()?;
                let mut length = 0;
                // SAFETY: the object lives; the attribute is one of this kind (callers use its constants).
                let data = unsafe {
                    c::$is_set(self.0.as_ptr(), attribute)
                        .then(|| c::$get(self.0.as_ptr(), attribute, &raw mut length))
                }?;
                // SAFETY: libnftnl tells where the value is and how long; nothing here changes the object, which the
                // slice borrows.
                unsafe { slice(data, length) }
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: it came from the matching alloc, and is freed here only.
                unsafe { c::$free(self.0.as_ptr()) }
            }
        }
    };
}

object! {
    /// A table.
    Table, policy::NEW_TABLE, nftnl_table, nftnl_table_alloc, nftnl_table_free, nftnl_table_nlmsg_parse, nftnl_table_is_set,
    nftnl_table_get_data
}
object! {
    /// A chain.
    Chain, policy::NEW_CHAIN, nftnl_chain, nftnl_chain_alloc, nftnl_chain_free, nftnl_chain_nlmsg_parse, nftnl_chain_is_set,
    nftnl_chain_get_data
}
object! {
    /// A rule.
    Rule, policy::NEW_RULE, nftnl_rule, nftnl_rule_alloc, nftnl_rule_free, nftnl_rule_nlmsg_parse, nftnl_rule_is_set,
    nftnl_rule_get_data
}
object! {
    /// What a set is.
    Set, policy::NEW_SET, nftnl_set, nftnl_set_alloc, nftnl_set_free, nftnl_set_nlmsg_parse, nftnl_set_is_set, nftnl_set_get_data
}
object! {
    /// Elements of a set.
    Elements, policy::NEW_SET_ELEM, nftnl_set, nftnl_set_alloc, nftnl_set_free, nftnl_set_elems_nlmsg_parse, nftnl_set_is_set,
    nftnl_set_get_data
}
object! {
    /// A named object.
    Object, policy::NEW_OBJ, nftnl_obj, nftnl_obj_alloc, nftnl_obj_free, nftnl_obj_nlmsg_parse, nftnl_obj_is_set, nftnl_obj_get_data
}

/// An expression of a rule, set or element.
#[derive(Debug)]
pub(super) struct Expr<'a> {
    raw: NonNull<c::nftnl_expr>,
    of: PhantomData<&'a ()>,
}

/// An element of a set.
#[derive(Debug)]
pub(super) struct Element<'a> {
    raw: NonNull<c::nftnl_set_elem>,
    of: PhantomData<&'a ()>,
}

/// What a walk of libnftnl calls for each item: puts it into the `Vec` that `data` points to.
unsafe extern "C" fn collect<T>(item: *mut T, data: *mut c_void) -> c_int {
    // SAFETY: `data` is the `Vec<NonNull<T>>` given along with this function (`collected`), which nobody else uses
    // during the walk.
    let found = unsafe { &mut *data.cast::<Vec<NonNull<T>>>() };
    found.extend(NonNull::new(item));
    0
}

/// What libnftnl calls for each item.
type Each<T> = Option<unsafe extern "C" fn(*mut T, *mut c_void) -> c_int>;

/// The items of a walk.
fn collected<T>(walk: impl FnOnce(Each<T>, *mut c_void)) -> Vec<NonNull<T>> {
    let mut found: Vec<NonNull<T>> = Vec::new();
    walk(Some(collect::<T>), (&raw mut found).cast());
    found
}

fn exprs<'a>(found: Vec<NonNull<c::nftnl_expr>>) -> Vec<Expr<'a>> {
    found.into_iter().map(|raw| Expr { raw, of: PhantomData }).collect()
}

impl Rule {
    /// Its expressions in order.
    pub(super) fn exprs(&self) -> Vec<Expr<'_>> {
        exprs(collected(|each, data| {
            // SAFETY: the rule lives; `each` and `data` belong together (`collected`).
            unsafe { c::nftnl_expr_foreach(self.0.as_ptr(), each, data) };
        }))
    }
}

impl Set {
    /// What each of its elements has.
    pub(super) fn exprs(&self) -> Vec<Expr<'_>> {
        exprs(collected(|each, data| {
            // SAFETY: as for a rule.
            unsafe { c::nftnl_set_expr_foreach(self.0.as_ptr(), each, data) };
        }))
    }
}

impl Elements {
    /// All of them.
    pub(super) fn all(&self) -> Vec<Element<'_>> {
        let found = collected(|each, data| {
            // SAFETY: as for a rule.
            unsafe { c::nftnl_set_elem_foreach(self.0.as_ptr(), each, data) };
        });
        found.into_iter().map(|raw| Element { raw, of: PhantomData }).collect()
    }
}

impl<'a> Element<'a> {
    /// What it has.
    pub(super) fn exprs(&self) -> Vec<Expr<'a>> {
        exprs(collected(|each, data| {
            // SAFETY: the element lives as long as its set, which `'a` borrows; `each` and `data` belong together.
            unsafe { c::nftnl_set_elem_expr_foreach(self.raw.as_ptr(), each, data) };
        }))
    }
}

impl Values for Element<'_> {
    fn data(&self, attribute: u32) -> Option<&[u8]> {
        let attribute = u16::try_from(attribute).ok()?;
        let mut length = 0;
        // SAFETY: the element lives as long as its set; the attribute is one of elements.
        let data = unsafe {
            c::nftnl_set_elem_is_set(self.raw.as_ptr(), attribute)
                .then(|| c::nftnl_set_elem_get(self.raw.as_ptr(), attribute, &raw mut length))
        }?;
        // SAFETY: as for other objects: where it is and how long, and nobody changes it.
        unsafe { slice(data, length) }
    }
}

impl<'a> Expr<'a> {
    /// Its kind.
    pub(super) fn name(&self) -> &[u8] {
        let mut length = 0;
        // SAFETY: the expression lives as long as what it belongs to; each has a name, which is a C string.
        let name = unsafe { c::nftnl_expr_get(self.raw.as_ptr(), 0, &raw mut length) };
        if name.is_null() {
            return &[];
        }
        // SAFETY: names are constants of libnftnl, with a NUL.
        unsafe { CStr::from_ptr(name.cast::<c_char>()) }.to_bytes()
    }

    /// What a dynset runs for its elements.
    pub(super) fn nested(&self) -> Vec<Expr<'a>> {
        if self.name() != b"dynset" {
            return Vec::new();
        }
        exprs(collected(|each, data| {
            // SAFETY: libnftnl takes every expression for a dynset here, and this one is; it lives for `'a`.
            unsafe { c::nftnl_expr_expr_foreach(self.raw.as_ptr(), each, data) };
        }))
    }
}

impl Values for Expr<'_> {
    fn data(&self, attribute: u32) -> Option<&[u8]> {
        let attribute = u16::try_from(attribute).ok()?;
        let mut length = 0;
        // SAFETY: the expression lives as long as what it belongs to; the attribute is one of its kind.
        let data = unsafe {
            c::nftnl_expr_is_set(self.raw.as_ptr(), attribute)
                .then(|| c::nftnl_expr_get(self.raw.as_ptr(), attribute, &raw mut length))
        }?;
        // SAFETY: as for other objects: where it is and how long, and nobody changes it.
        unsafe { slice(data, length) }
    }
}
