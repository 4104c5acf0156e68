//! Rules as the words of the tools that load them, line by line, so that single lines and words can be left out.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

/// What loads rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    Nft,
    Iptables,
    Ip6tables,
    IptablesLegacy,
    Ip6tablesLegacy,
}

impl Tool {
    pub(crate) const ALL: [Self; 5] =
        [Self::Nft, Self::Iptables, Self::Ip6tables, Self::IptablesLegacy, Self::Ip6tablesLegacy];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::Iptables => "iptables-nft",
            Self::Ip6tables => "ip6tables-nft",
            Self::IptablesLegacy => "iptables-legacy",
            Self::Ip6tablesLegacy => "ip6tables-legacy",
        }
    }

    fn argv(self) -> (String, &'static [&'static str]) {
        match self {
            Self::Nft => ("nft".into(), &["-f", "/dev/stdin"]),
            other => (format!("{}-restore", other.word()), &[]),
        }
    }

    pub(crate) fn is_legacy(self) -> bool {
        matches!(self, Self::IptablesLegacy | Self::Ip6tablesLegacy)
    }

    pub(crate) fn is_v6(self) -> bool {
        matches!(self, Self::Ip6tables | Self::Ip6tablesLegacy)
    }
}

/// One command or rule: its beginning, and words that may be left out one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) head: String,
    pub(crate) parts: Vec<String>,
}

impl Line {
    pub(crate) fn new(head: impl Into<String>) -> Self {
        Self { head: head.into(), parts: Vec::new() }
    }

    fn text(&self) -> String {
        let parts: String = self.parts.iter().map(|part| format!(" {part}")).collect();
        format!("{}{parts}", self.head)
    }

    /// A rule of the packet filter, not a table, chain or set for it.
    fn is_rule(&self) -> bool {
        self.head.starts_with("add rule") || self.head.starts_with("-A")
    }
}

/// Lines for one tool; those of iptables are all of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) tool: Tool,
    pub(crate) table: String,
    pub(crate) lines: Vec<Line>,
}

impl Section {
    /// Lines before the first of ours.
    const AHEAD: usize = 1;

    /// What the tool reads.
    fn text(&self) -> String {
        let lines: String = self.lines.iter().map(|line| line.text() + "\n").collect();
        match self.tool {
            Tool::Nft => format!("\n{lines}"),
            _ => format!("*{}\n{lines}COMMIT\n", self.table),
        }
    }
}

/// Everything a case loads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Script {
    pub(crate) sections: Vec<Section>,
}

/// How many rules were loaded, and how many a tool refused.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Loaded {
    pub(crate) rules: usize,
    pub(crate) refused: usize,
}

impl Script {
    /// What a kept case holds.
    pub(crate) fn text(&self) -> String {
        let section = |s: &Section| {
            let lines: String = s.lines.iter().map(|line| line.text() + "\n").collect();
            let table = if s.table.is_empty() { String::new() } else { format!(" {}", s.table) };
            format!("# with {}{table}\n{lines}", s.tool.word())
        };
        self.sections.iter().map(section).collect()
    }

    /// Reads what [`Script::text`] wrote; comments are left out.
    pub(crate) fn parse(text: &str) -> Self {
        let mut script = Self::default();
        for line in text.lines().map(str::trim) {
            if let Some(with) = line.strip_prefix("# with ") {
                let mut words = with.split_whitespace();
                let word = words.next().unwrap_or_default();
                let tool = Tool::ALL.into_iter().find(|tool| tool.word() == word).expect("a tool");
                let table = words.next().unwrap_or_default().into();
                script.sections.push(Section { tool, table, lines: Vec::new() });
            } else if let Some(section) = script.sections.last_mut()
                && !line.is_empty()
                && !line.starts_with('#')
            {
                section.lines.push(Line::new(line));
            }
        }
        script
    }

    /// True where a rule has this in it.
    pub(crate) fn says(&self, word: &str) -> bool {
        self.sections.iter().flat_map(|s| &s.lines).any(|line| line.text().contains(word))
    }

    /// Loads it in the network of this thread, in place of whatever was there. Lines that a tool refuses are left out
    /// for good, and with them those that need them.
    pub(crate) fn load(&mut self, touched: &mut BTreeSet<(Tool, String)>) -> Loaded {
        clear(touched);
        let mut loaded = Loaded::default();
        for section in &mut self.sections {
            if section.tool.is_legacy() {
                touched.insert((section.tool, section.table.clone()));
            }
            loaded.refused += load_what_can_be(section);
            loaded.rules += section.lines.iter().filter(|line| line.is_rule()).count();
        }
        loaded
    }

    /// Loads it whole, or says why that is not possible.
    pub(crate) fn load_whole(&self, touched: &mut BTreeSet<(Tool, String)>) -> Result<(), String> {
        clear(touched);
        for section in &self.sections {
            if section.tool.is_legacy() {
                touched.insert((section.tool, section.table.clone()));
            }
            feed(section.tool, &section.text()).map_err(|said| format!("{}: {said}", section.tool.word()))?;
        }
        Ok(())
    }
}

/// Takes all rules away.
fn clear(touched: &mut BTreeSet<(Tool, String)>) {
    feed(Tool::Nft, "flush ruleset\n").unwrap();
    for (tool, table) in std::mem::take(touched) {
        let chains: String = builtin(&table).iter().map(|chain| format!(":{chain} ACCEPT [0:0]\n")).collect();
        feed(tool, &format!("*{table}\n{chains}COMMIT\n")).unwrap();
    }
}

/// Chains that every table of iptables has.
pub(crate) fn builtin(table: &str) -> &'static [&'static str] {
    match table {
        "raw" => &["PREROUTING", "OUTPUT"],
        "mangle" => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
        "nat" => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
        _ => &["INPUT", "FORWARD", "OUTPUT"],
    }
}

/// How many rules were left out.
fn load_what_can_be(section: &mut Section) -> usize {
    let mut refused = 0;
    while let Err(said) = feed(section.tool, &section.text()) {
        let mut wrong: BTreeSet<usize> = wrong_lines(section.tool, &said)
            .into_iter()
            .filter_map(|number| number.checked_sub(1 + Section::AHEAD))
            .filter(|index| *index < section.lines.len())
            .collect();
        if wrong.is_empty() {
            // The kernel refused the table as a whole, or the tool crashed: the last rule goes, or what is left.
            wrong.extend(section.lines.iter().rposition(Line::is_rule).or(section.lines.len().checked_sub(1)));
        }
        assert!(!wrong.is_empty(), "{}: {said}\n{}", section.tool.word(), section.text());
        for index in wrong.into_iter().rev() {
            let line = section.lines.remove(index);
            refused += usize::from(line.is_rule());
            if std::env::var_os("UNREFUSE_FILTER_REFUSED").is_some() {
                let said = said.lines().next().unwrap_or_default();
                println!("refused by {}: {}\n  {said}", section.tool.word(), line.text());
            }
        }
    }
    refused
}

/// Numbers of the lines that a tool complains about.
fn wrong_lines(tool: Tool, said: &str) -> Vec<usize> {
    let numbers = |text: &str, ahead: &str| -> Vec<usize> {
        text.match_indices(ahead)
            .filter_map(|(at, _)| {
                let rest = &text[at + ahead.len()..];
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse().ok()
            })
            .collect()
    };
    if tool == Tool::Nft {
        numbers(said, "/dev/stdin:")
    } else {
        [numbers(said, "line "), numbers(said, "line: ")].concat()
    }
}

/// What nft says of words that it, or the kernel, refuses.
pub(crate) fn refused_by_nft(text: &str) -> Option<String> {
    feed(Tool::Nft, text).err()
}

/// Runs the tool; what it says if it fails.
fn feed(tool: Tool, text: &str) -> Result<(), String> {
    let (program, args) = tool.argv();
    let mut child = Command::new(&program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    // A tool that fails early may not read it all.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    let output = child.wait_with_output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
