//! That a rule is still there after a reboot: its line in the file that the rules around it are loaded from. Nothing else
//! of the file is touched, and nothing that holds only now gets into it.

use super::Rule;
use crate::facts::firewalls::{RuleFile, RuleFormat};
use crate::firewall::file::Line;
use crate::fixes::action::{Edit, Hunk};
use crate::fixes::{Action, Lasting, Plan};

/// The plan that puts the same rule in for good: now, and before the line of the file that the rule (or policy) after it
/// came from. None where the file is not written one statement a line there.
pub fn in_file(plan: &Plan, file: &RuleFile, line: &Line) -> Option<Plan> {
    let [step] = plan.steps.as_slice() else { return None };
    let Action::Rule(rule) = &step.action else { return None };
    let (at, there) = anchor(rule, file, line)?;
    let spec = rule.plain_words().join(" ");
    let new = match file.format {
        RuleFormat::Nft => spec,
        RuleFormat::Iptables | RuleFormat::Ip6tables => format!("-A {} {spec}", rule.spot.chain.name),
    };
    let hunk = Hunk { line: u32::try_from(at).ok()?, old: vec![there.clone()], new: vec![new, there] };
    let check = match file.format {
        RuleFormat::Nft => vec!["nft".into(), "-c".into(), "-f".into(), file.path.clone()],
        RuleFormat::Iptables | RuleFormat::Ip6tables => {
            vec![format!("{}-restore", rule.program()), "--test".into(), file.path.clone()]
        }
    };
    let mut lasting = plan.clone();
    lasting.id = format!("{}-permanent", plan.id);
    lasting.title = format!("{}, for good", plan.title);
    Some(
        lasting
            .lasting(Lasting::Permanent)
            .step(
                format!("write it to {}", file.path),
                Action::Edit(Edit { file: file.path.clone(), hunks: vec![hunk] }),
            )
            .step("check the file", Action::Check { argv: check }),
    )
}

/// The line that the new one goes before: its number from 1, and its text.
fn anchor(rule: &Rule, file: &RuleFile, line: &Line) -> Option<(usize, String)> {
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let alone = |at: usize| {
        // What goes on over several lines is not taken apart.
        let before = at.checked_sub(2).and_then(|at| lines.get(at)).copied().unwrap_or_default();
        !before.ends_with('\\')
    };
    let (at, text) = match (&rule.spot.before, file.format) {
        (Some(_), RuleFormat::Nft) => {
            let text = *lines.get(line.line.checked_sub(1)?)?;
            let first = text.split_whitespace().next().unwrap_or_default();
            let whole = !matches!(first, "add" | "insert" | "create" | "table" | "chain" | "include" | "define")
                && !text.contains(';')
                && text.matches('{').count() == text.matches('}').count();
            (line.line, whole.then_some(text)?)
        }
        (Some(_), RuleFormat::Iptables | RuleFormat::Ip6tables) => {
            (line.line, lines.get(line.line.checked_sub(1)?).copied().filter(|text| text.starts_with("-A "))?)
        }
        (None, RuleFormat::Nft) => end_of_block(&lines, line.line)?,
        (None, RuleFormat::Iptables | RuleFormat::Ip6tables) => {
            let (at, text) = lines.iter().enumerate().skip(line.line).find(|(_, text)| **text == "COMMIT")?;
            (at + 1, *text)
        }
    };
    alone(at).then(|| (at, text.to_owned()))
}

/// The brace alone on its line that ends the chain whose policy stands on this line.
fn end_of_block<'l>(lines: &[&'l str], policy: usize) -> Option<(usize, &'l str)> {
    let mut depth = 0i32;
    for (at, text) in lines.iter().enumerate().skip(policy.checked_sub(1)?) {
        let code = text.split('#').next().unwrap_or_default();
        for brace in code.chars().filter(|c| matches!(c, '{' | '}')) {
            depth += if brace == '{' { 1 } else { -1 };
        }
        if depth < 0 {
            return (*text == "}").then_some((at + 1, *text));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::ruleset::Family;
    use crate::facts::socket::Transport;
    use crate::fixes::rule::tests::spot;
    use crate::fixes::rule::{Passage, Refused, RuleTool, let_in};

    fn lasting(tool: RuleTool, before: Option<u64>, format: RuleFormat, text: &str, line: usize) -> Option<Plan> {
        let spot = spot(tool, Family::Ip, before);
        let passage = Passage::In { client: None, network: None };
        let plan = let_in(&Refused { spot, transport: Transport::Tcp, port: 80, passage }).remove(0);
        let file = RuleFile { path: "/etc/rules".into(), format, text: text.into() };
        let line = Line { path: file.path.clone(), line, text: String::new() };
        in_file(&plan, &file, &line)
    }

    #[test]
    fn the_line_goes_where_the_rule_goes() {
        let text = "table ip filter {\n  chain INPUT {\n    policy drop;\n    tcp dport { 80, 443 } drop\n  }\n}\n";
        let plan = lasting(RuleTool::Nftables, Some(3), RuleFormat::Nft, text, 4).unwrap();
        assert_eq!((plan.id.as_str(), plan.lasting), ("allow-everyone-permanent", Lasting::Permanent));
        let commands = plan.commands();
        assert!(commands.contains("edit /etc/rules:4: tcp dport 80 accept"), "{commands}");
        assert!(commands.ends_with("nft -c -f /etc/rules"), "{commands}");
        let plan = lasting(RuleTool::Nftables, None, RuleFormat::Nft, text, 3).unwrap();
        assert!(plan.commands().contains("edit /etc/rules:5: tcp dport 80 accept"), "{}", plan.commands());
    }

    #[test]
    fn a_file_of_iptables_has_rules_one_a_line() {
        let text = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 80 -j DROP\nCOMMIT\n";
        let plan = |before, line| lasting(RuleTool::IptablesNft, before, RuleFormat::Iptables, text, line).unwrap();
        let new = "-A INPUT -p tcp --dport 80 -j ACCEPT";
        assert!(plan(Some(9), 3).commands().contains(&format!("edit /etc/rules:3: {new}")));
        let at_end = plan(None, 2).commands();
        assert!(at_end.contains(&format!("edit /etc/rules:4: {new}")), "{at_end}");
        assert!(at_end.ends_with("iptables-restore --test /etc/rules"), "{at_end}");
    }

    #[test]
    fn what_is_written_otherwise_is_left_alone() {
        let flat = "add rule ip filter INPUT tcp dport 80 drop\n";
        assert_eq!(lasting(RuleTool::Nftables, Some(3), RuleFormat::Nft, flat, 1), None);
        let one = "table ip filter { chain INPUT { policy drop; tcp dport 80 drop; } }\n";
        assert_eq!(lasting(RuleTool::Nftables, Some(3), RuleFormat::Nft, one, 1), None);
        assert_eq!(lasting(RuleTool::Nftables, None, RuleFormat::Nft, one, 1), None);
        let long = "chain INPUT {\n tcp dport \\\n 80 drop\n}\n";
        assert_eq!(lasting(RuleTool::Nftables, Some(3), RuleFormat::Nft, long, 3), None);
    }
}
