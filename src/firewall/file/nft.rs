//! Scripts of nft: their blocks and statements, and which statements are the same rule.

use super::same::value;
use crate::facts::ruleset::{ChainId, Family};

/// A statement, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// Line, from 1.
    pub(super) line: usize,
    /// Its words, without quotes; braces, parentheses and commas are words of their own.
    pub(super) words: Vec<String>,
}

/// What a pair of braces belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Block {
    /// A table, by family and name.
    Table(String, String),
    /// A chain, by family, table and name.
    Chain(String, String, String),
    /// A set, a counter and so on.
    Other,
}

/// The statements of a chain that are rules.
pub(super) fn rules(text: &str, chain: &ChainId) -> Vec<Statement> {
    let about = ["type", "policy", "comment", "devices", "device", "flags"];
    let is_rule = |s: &Statement| s.words.first().is_some_and(|word| !about.contains(&word.as_str()));
    statements(text, chain).into_iter().filter(is_rule).collect()
}

/// The lines that say a policy of a chain.
pub(super) fn policies(text: &str, chain: &ChainId) -> Vec<usize> {
    let says = |s: &Statement| s.words.first().is_some_and(|word| word == "policy");
    statements(text, chain).into_iter().filter(says).map(|s| s.line).collect()
}

fn statements(text: &str, chain: &ChainId) -> Vec<Statement> {
    let mut reader = Reader {
        chain,
        blocks: Vec::new(),
        braces: 0,
        now: Statement { line: 1, words: Vec::new() },
        found: Vec::new(),
    };
    for (line, token) in tokens(text) {
        reader.read(line, token);
    }
    reader.end();
    reader.found
}

/// A word, or what separates words.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Mark(char),
}

/// Words with the lines they begin in.
fn tokens(text: &str) -> Vec<(usize, Token)> {
    let mut found = Vec::new();
    let (mut line, mut word, mut begun) = (1, String::new(), 1);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let ends = c.is_whitespace() || matches!(c, '{' | '}' | ';' | ',' | '(' | ')' | '|' | '&' | '#' | '"');
        if ends && !word.is_empty() {
            // `22: accept` is `22 : accept`; an address may end in two colons.
            let key = word.strip_suffix(':').filter(|key| !key.is_empty() && !key.ends_with(':')).map(str::to_owned);
            let whole = std::mem::take(&mut word);
            match key {
                Some(key) => found.extend([(begun, Token::Word(key)), (begun, Token::Word(":".into()))]),
                None => found.push((begun, Token::Word(whole))),
            }
        }
        match c {
            '\n' => {
                found.push((line, Token::Mark('\n')));
                line += 1;
            }
            '\\' if chars.peek() == Some(&'\n') => {
                chars.next();
                line += 1;
            }
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            '"' => {
                let start = line;
                let quoted: String =
                    chars.by_ref().take_while(|c| *c != '"').inspect(|c| line += usize::from(*c == '\n')).collect();
                found.push((start, Token::Word(quoted)));
            }
            '{' | '}' | ';' | ',' | '(' | ')' | '|' | '&' => found.push((line, Token::Mark(c))),
            _ if ends => {}
            _ => {
                if word.is_empty() {
                    begun = line;
                }
                word.push(c);
            }
        }
    }
    found.extend((!word.is_empty()).then_some((begun, Token::Word(word))));
    found
}

struct Reader<'c> {
    chain: &'c ChainId,
    blocks: Vec<Block>,
    /// Braces that are open in the statement: a set.
    braces: usize,
    now: Statement,
    found: Vec<Statement>,
}

impl Reader<'_> {
    fn read(&mut self, line: usize, token: Token) {
        match token {
            Token::Mark('{') if self.braces == 0 => match self.opens() {
                Some(block) => {
                    self.blocks.push(block);
                    self.now.words.clear();
                }
                None => self.open_set(line),
            },
            Token::Mark('{') => self.open_set(line),
            Token::Mark('}') if self.braces > 0 => {
                self.braces -= 1;
                self.push(line, "}".into());
            }
            Token::Mark('}') => {
                self.end();
                self.blocks.pop();
            }
            Token::Mark('\n' | ';') if self.braces == 0 => self.end(),
            Token::Mark('\n') => {}
            Token::Mark(mark) => self.push(line, mark.into()),
            Token::Word(word) => self.push(line, word),
        }
    }

    fn push(&mut self, line: usize, word: String) {
        if self.now.words.is_empty() {
            self.now.line = line;
        }
        self.now.words.push(word);
    }

    fn open_set(&mut self, line: usize) {
        self.braces += 1;
        self.push(line, "{".into());
    }

    /// The block that a brace opens after these words; none for a set.
    fn opens(&self) -> Option<Block> {
        let words: Vec<&str> = self.now.words.iter().map(String::as_str).collect();
        let words = match words.as_slice() {
            ["add" | "create", rest @ ..] => rest,
            all => all,
        };
        let own = |word: &&str| (*word).to_owned();
        match (self.blocks.last(), words) {
            (None, ["table", name]) => Some(Block::Table("ip".into(), own(name))),
            (None, ["table", family, name]) => Some(Block::Table(own(family), own(name))),
            (None, ["chain", table, name]) => Some(Block::Chain("ip".into(), own(table), own(name))),
            (None, ["chain", family, table, name]) => Some(Block::Chain(own(family), own(table), own(name))),
            (Some(Block::Table(family, table)), ["chain", name]) => {
                Some(Block::Chain(family.clone(), table.clone(), own(name)))
            }
            (Some(Block::Table(..)), _) => Some(Block::Other),
            (None | Some(Block::Chain(..) | Block::Other), _) => None,
        }
    }

    /// A statement is over.
    fn end(&mut self) {
        self.braces = 0;
        let statement = std::mem::replace(&mut self.now, Statement { line: 1, words: Vec::new() });
        if statement.words.is_empty() {
            return;
        }
        match self.blocks.last() {
            Some(Block::Chain(family, table, name)) if self.is_it(family, table, name) => self.found.push(statement),
            None => {
                if let Some(words) = self.added(&statement.words) {
                    self.found.push(Statement { line: statement.line, words });
                }
            }
            Some(_) => {}
        }
    }

    fn is_it(&self, family: &str, table: &str, name: &str) -> bool {
        let id = &self.chain.table;
        (family, table, name) == (id.family.word(), id.name.as_str(), self.chain.name.as_str())
    }

    /// The words of the rule in `add rule inet filter input ...`, where it is one of the chain.
    fn added(&self, words: &[String]) -> Option<Vec<String>> {
        let rest = match words {
            [verb, rule, rest @ ..] if matches!(verb.as_str(), "add" | "insert") && rule == "rule" => rest,
            [rule, rest @ ..] if rule == "rule" => rest,
            _ => return None,
        };
        let families = ["ip", "ip6", "inet", "netdev", "arp", "bridge"];
        let (family, rest) = match rest.split_first()? {
            (family, rest) if families.contains(&family.as_str()) => (family.as_str(), rest),
            _ => ("ip", rest),
        };
        let [table, name, rest @ ..] = rest else { return None };
        let rest = match rest {
            [at, _, rest @ ..] if matches!(at.as_str(), "position" | "handle" | "index") => rest,
            all => all,
        };
        self.is_it(family, table, name).then(|| rest.to_vec())
    }
}

/// A rule's text in the one way to write it.
pub(super) fn same(text: &str, family: Family) -> Vec<String> {
    let words = tokens(text).into_iter().filter_map(|(_, token)| match token {
        Token::Word(word) => Some(word),
        Token::Mark('\n' | ';') => None,
        Token::Mark(mark) => Some(mark.into()),
    });
    same_words(&words.collect::<Vec<_>>(), family)
}

/// A rule's words in the one way to write them.
pub(super) fn same_words(words: &[String], family: Family) -> Vec<String> {
    let words = words.iter().filter(|word| *word != "meta").map(|word| one_word(word)).collect();
    plain::without(&groups(words), family)
}

fn one_word(word: &str) -> String {
    match word {
        "and" => "&".into(),
        "or" => "|".into(),
        "xor" => "^".into(),
        "eq" => "==".into(),
        "ne" => "!=".into(),
        "lt" => "<".into(),
        "gt" => ">".into(),
        "le" => "<=".into(),
        "ge" => ">=".into(),
        other => value(other),
    }
}

/// Sets and lists as one word each, in order; a set of one value is that value.
fn groups(words: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut words = words.into_iter().filter(|w| w != "(" && w != ")").peekable();
    while let Some(word) = words.next() {
        if word == "{" {
            let inside: Vec<String> = words.by_ref().take_while(|w| w != "}").collect();
            let parts = inside.split(|w| w == ",").map(|part| part.join(" "));
            out.push(listed(parts.filter(|part| !part.is_empty()).collect()));
            continue;
        }
        let between = |w: &String| w == "," || w == "|";
        if words.peek().is_some_and(between) && !matches!(word.as_str(), "&" | "==" | "!=") {
            let mut parts = vec![word];
            while words.next_if(between).is_some() {
                parts.extend(words.next());
            }
            out.push(listed(parts));
            continue;
        }
        out.push(word);
    }
    out
}

fn listed(mut parts: Vec<String>) -> String {
    parts.sort();
    parts.dedup();
    match parts.as_slice() {
        [only] if !only.contains(' ') => only.clone(),
        _ => format!("{{{}}}", parts.join(",")),
    }
}

mod plain;
