//! Commands within shells: `sh -c "cd /srv && PORT=80 exec app --port 80"` runs `app`.

/// Shells within shells.
const DEEPEST: usize = 4;
/// Bytes of a script that are looked at.
const LONGEST: usize = 16 << 10;

/// The commands an argv runs: itself, or those of the script it hands to a shell.
pub(super) fn commands(argv: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    within(argv, 0, &mut found);
    found
}

fn within(argv: &[String], depth: usize, found: &mut Vec<Vec<String>>) {
    match script(argv).filter(|_| depth < DEEPEST) {
        None => found.push(without_exec(argv)),
        Some(script) => split(script).iter().for_each(|command| within(command, depth + 1, found)),
    }
}

/// `env A=1 app` and `exec app` are `A=1 app` and `app`.
fn without_exec(argv: &[String]) -> Vec<String> {
    let is_env = |word: &String| word.rsplit('/').next() == Some("env");
    let rest = argv.iter().skip_while(|w| assignment(w).is_some());
    let wraps = rest.clone().next().is_some_and(|w| w == "exec" || is_env(w));
    if !wraps {
        return argv.to_vec();
    }
    let assigned = argv.iter().take_while(|w| assignment(w).is_some());
    assigned.chain(rest.skip(1)).cloned().collect()
}

/// What a shell is told to run.
fn script(argv: &[String]) -> Option<&str> {
    let program = argv.iter().find(|w| assignment(w).is_none())?.rsplit('/').next()?;
    if !matches!(program, "sh" | "bash" | "dash" | "ash" | "zsh" | "ksh") {
        return None;
    }
    let flag = argv.iter().position(|w| w.starts_with('-') && !w.starts_with("--") && w.ends_with('c'))?;
    argv.get(flag + 1).map(String::as_str)
}

/// `NAME=value` in front of a command.
pub(super) fn assignment(word: &str) -> Option<&str> {
    let (name, _) = word.split_once('=')?;
    let fits = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    fits.then_some(word)
}

/// The commands of a script, each as its words. Quotes are taken off, nothing is expanded.
fn split(script: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in script.chars().take(LONGEST) {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ';' | '&' | '|' | '\n' | '(' | ')') => {
                end(&mut commands, word.take());
                commands.push(Vec::new());
            }
            (None, c) if c.is_whitespace() => end(&mut commands, word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    end(&mut commands, word);
    commands.retain(|words| !words.is_empty());
    commands
}

fn end(commands: &mut [Vec<String>], word: Option<String>) {
    if let Some(last) = commands.last_mut() {
        last.extend(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &[&str]) -> Vec<String> {
        let argv: Vec<String> = words.iter().map(ToString::to_string).collect();
        commands(&argv).iter().map(|c| c.join(" ")).collect()
    }

    #[test]
    fn scripts_are_cut_into_commands() {
        assert_eq!(shown(&["/bin/app", "x"]), ["/bin/app x"]);
        assert_eq!(
            shown(&["/bin/sh", "-ec", "cd /srv && exec app --x 'a b' | tee"]),
            ["cd /srv", "app --x a b", "tee"]
        );
        assert_eq!(shown(&["/usr/bin/env", "A=1", "app"]), ["A=1 app"]);
        assert_eq!(shown(&["bash", "-c", "A=1 exec app"]), ["A=1 app"]);
        assert_eq!(shown(&["bash", "script.sh"]), ["bash script.sh"]);
        assert_eq!(shown(&["sh", "-c", "sh -c 'app -p 80'"]), ["app -p 80"]);
        assert_eq!(shown(&["sh", "-c"]), ["sh -c"]);
        assert_eq!(shown(&[]), [""]);
    }
}
