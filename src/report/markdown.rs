//! The answer as Markdown for a ticket, with the flowchart as a mermaid diagram.

use std::fmt::Write as _;

use super::{Report, shown_time, sign};
use crate::diagnose::verdict::{BoxState, Finding, Verdict};
use crate::text;

/// The whole answer.
pub fn diagnosis(report: &Report<'_>) -> String {
    let d = report.diagnosis;
    let mut out = String::new();
    let input = &report.case.target.input;
    let _ = writeln!(out, "# {}: {}\n", escaped(input), report.outcome().word());
    match (&d.untold, d.culprit()) {
        (Some(why), _) => drop(writeln!(out, "What it gets cannot be told, because {}.\n", escaped(why))),
        (None, Some(culprit)) => drop(writeln!(out, "**{}** (`{}`)\n", escaped(&culprit.summary), culprit.cause)),
        (None, None) if report.exit_code() == 3 => drop(writeln!(out, "The cause could not be told.\n")),
        (None, None) => {}
    }
    mermaid(&d.boxes, &mut out);
    for finding in &d.causes {
        cause(finding, &mut out);
    }
    symptoms(report, &mut out);
    for note in &d.notes {
        let _ = writeln!(out, "> {}\n", escaped(note));
    }
    let _ = writeln!(out, "{} probes, {}", report.case.probes(), shown_time(report.took));
    out
}

fn mermaid(boxes: &[BoxState], out: &mut String) {
    out.push_str("```mermaid\nflowchart TD\n");
    for state in boxes {
        let sign = sign(state.verdict, false);
        let _ = writeln!(
            out,
            "  {}[\"{sign} {}<br/>{}\"]",
            state.id.word(),
            label(state.id.question()),
            label(&state.summary)
        );
    }
    for pair in boxes.windows(2) {
        if let [a, b] = pair {
            let _ = writeln!(out, "  {} --> {}", a.id.word(), b.id.word());
        }
    }
    for (verdict, class) in
        [(Verdict::Yes, "fill:#d7f5dd"), (Verdict::No, "fill:#fbd5d5"), (Verdict::Unknown, "fill:#f4ecc8")]
    {
        let ids: Vec<&str> = boxes.iter().filter(|b| b.verdict == verdict).map(|b| b.id.word()).collect();
        if !ids.is_empty() {
            let name = format!("{verdict:?}").to_lowercase();
            let _ = writeln!(out, "  classDef {name} {class}\n  class {} {name}", ids.join(","));
        }
    }
    out.push_str("```\n\n");
}

fn cause(finding: &Finding, out: &mut String) {
    let _ = writeln!(out, "## {} (`{}`)\n", escaped(&finding.summary), finding.cause);
    for evidence in &finding.evidence {
        let _ = writeln!(out, "- {}: {} — {}", evidence.source, escaped(&evidence.says), code(&evidence.see));
    }
    out.push('\n');
    for advice in &finding.advice {
        let _ = writeln!(out, "{}:\n", escaped(&advice.does));
        for line in advice.run.lines() {
            let _ = writeln!(out, "    {}", text::line(line));
        }
        let _ = writeln!(out);
        if let Some(undo) = &advice.undo {
            let _ = writeln!(out, "To take it back:\n");
            for line in undo.lines() {
                let _ = writeln!(out, "    {}", text::line(line));
            }
            let _ = writeln!(out);
        }
    }
}

fn symptoms(report: &Report<'_>, out: &mut String) {
    if report.diagnosis.symptoms.is_empty() {
        return;
    }
    out.push_str("| to | outcome | errno | after | answered by |\n|---|---|---|---|---|\n");
    for s in &report.diagnosis.symptoms {
        let errno = escaped(s.errno.as_deref().unwrap_or(""));
        let by = escaped(s.answered_by.as_deref().unwrap_or(""));
        let _ = writeln!(
            out,
            "| {} | {} | {errno} | {} | {by} |",
            escaped(&s.to.to_string()),
            s.outcome.word(),
            shown_time(s.after)
        );
    }
    out.push('\n');
}

/// Host text that can be no markup.
fn escaped(raw: &str) -> String {
    let mut safe = String::new();
    for c in text::line(raw).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '!' | '~' | '&') {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

/// Inline code; a backtick inside would end it.
fn code(raw: &str) -> String {
    format!("`{}`", text::line(raw).replace('`', "'"))
}

/// Text inside a quoted mermaid label.
fn label(raw: &str) -> String {
    text::line(raw)
        .chars()
        .map(|c| match c {
            '"' => "#quot;".to_owned(),
            '<' => "#lt;".to_owned(),
            '>' => "#gt;".to_owned(),
            '#' => "#35;".to_owned(),
            '`' => "'".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_text_cannot_become_markup() {
        assert_eq!(escaped("a`b](x)<img>\u{1b}"), "a\\`b\\](x)\\<img\\>␛");
        assert_eq!(label("say \"hi\"<br>"), "say #quot;hi#quot;#lt;br#gt;");
        assert_eq!(code("a`b"), "`a'b`");
    }
}
