//! What can go wrong for the user: what happened, why, what to do about it, and the exit status it leads to.

use std::fmt;

/// Whose fault it is; decides the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line or the input was wrong: exit 2.
    Input,
    /// Something broke in the program or on the host: exit 4.
    Broken,
    /// Whoever read has seen enough: exit 0.
    Closed,
}

/// An error to be told to the user.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    what: String,
    hints: Vec<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// The command line or the input was wrong.
    pub fn input(what: impl Into<String>) -> Self {
        Self { kind: Kind::Input, what: what.into(), hints: Vec::new(), source: None }
    }

    /// Something broke.
    pub fn broken(what: impl Into<String>) -> Self {
        Self { kind: Kind::Broken, what: what.into(), hints: Vec::new(), source: None }
    }

    /// Nobody reads any more.
    pub fn closed() -> Self {
        Self { kind: Kind::Closed, what: "nobody reads any more".into(), hints: Vec::new(), source: None }
    }

    /// Nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.kind == Kind::Closed
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds the error below; it is told after the message, not repeated in it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the user can do, if anything.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The exit status of the contract.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Closed => 0,
            Kind::Input => 2,
            Kind::Broken => 4,
        }
    }

    /// The error, its sources and its hints, a line each, safe to print.
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut below: Option<&dyn std::error::Error> = std::error::Error::source(self);
        while let Some(error) = below {
            text.push_str(": ");
            text.push_str(&crate::text::line(&error.to_string()));
            below = error.source();
        }
        for hint in &self.hints {
            text.push('\n');
            text.push_str(hint);
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::text::line(&self.what))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}
