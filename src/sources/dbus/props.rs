//! The properties of an object, taken out by name: what an old systemd does not have, or has as another type, is
//! simply missing.

use std::collections::HashMap;

use zbus::{Message, OwnedObjectPath, OwnedVariant};

/// The properties of one object.
#[derive(Debug, Default)]
pub(super) struct Props(HashMap<String, OwnedVariant>);

impl Props {
    /// The answer of a GetAll; empty when it is none.
    pub(super) fn of(answer: &Message) -> Self {
        Self(answer.body().deserialize().unwrap_or_default())
    }

    /// Takes one out. None: there is none, or not of this type.
    pub(super) fn take<T: TryFrom<OwnedVariant>>(&mut self, name: &str) -> Option<T> {
        T::try_from(self.0.remove(name)?).ok()
    }

    /// Takes one out, or the empty value of its type.
    pub(super) fn get<T: TryFrom<OwnedVariant> + Default>(&mut self, name: &str) -> T {
        self.take(name).unwrap_or_default()
    }

    /// A text; none when empty.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.take::<String>(name).filter(|text| !text.is_empty())
    }

    /// Several lists of names as one, without repeats.
    pub(super) fn names(&mut self, of: &[&str]) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for name in of.iter().flat_map(|list| self.get::<Vec<String>>(list)) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }

    /// The object of a pending job; none when there is no job.
    pub(super) fn job(&mut self) -> Option<OwnedObjectPath> {
        let (id, path) = self.take::<(u32, OwnedObjectPath)>("Job")?;
        (id != 0).then_some(path)
    }
}

#[cfg(test)]
impl Props {
    /// Properties for tests.
    pub(super) fn from_pairs<const N: usize>(pairs: [(&str, zbus::Variant<'_>); N]) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.to_owned(), OwnedVariant::try_from(v).unwrap())).collect())
    }
}
