//! The answer in one line: of one target among many, and for a monitoring system.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::{Report, shown_time, sign};
use crate::diagnose::verdict::Verdict;
use crate::facts::connect::Outcome;
use crate::text;

/// `✘ db1:5432  refused  bind-loopback-only: postgres[103] listens on loopback only`, the target at least `width` wide.
pub fn of(report: &Report<'_>, width: usize, ascii: bool) -> String {
    let verdict = match report.exit_code() {
        0 => Verdict::Yes,
        1 => Verdict::No,
        _ => Verdict::Unknown,
    };
    let input = text::line(&report.case.target.input);
    let room = " ".repeat(width.saturating_sub(input.width()));
    format!("{} {input}{room}  {:<11}  {}", sign(verdict, ascii), report.outcome().word(), said(report))
        .trim_end()
        .to_owned()
}

/// What is known of why; the address where there is nothing to explain.
fn said(report: &Report<'_>) -> String {
    let d = report.diagnosis;
    if let Some(why) = &d.untold {
        return format!("cannot tell, because {}", text::line(why));
    }
    let culprit = d.culprit.and_then(|id| d.causes.iter().find(|finding| finding.cause == id));
    if let Some(finding) = culprit {
        return format!("{}: {}", finding.cause, text::line(&finding.summary));
    }
    let at = d.symptoms.iter().find(|symptom| symptom.diagnosed).map(|symptom| text::line(&symptom.to.to_string()));
    if report.outcome() == Outcome::Open { at.unwrap_or_default() } else { "no known cause fits".into() }
}

/// What a monitoring system reads of a plugin (the conventions of Nagios and its kin): a status line with performance
/// data, then the evidence and what to do; and the status to exit with: 0 OK, 1 WARNING (open, but a cause is known why it
/// fails elsewhere or at times), 2 CRITICAL, 3 UNKNOWN.
pub fn plugin(report: &Report<'_>) -> (String, u8) {
    let d = report.diagnosis;
    let (word, status) = match (report.outcome(), d.culprit) {
        _ if d.untold.is_some() => ("UNKNOWN", 3),
        (Outcome::Open, None) => ("OK", 0),
        (Outcome::Open, Some(_)) => ("WARNING", 1),
        (Outcome::Silent | Outcome::Error, None) => ("UNKNOWN", 3),
        _ => ("CRITICAL", 2),
    };
    let input = text::line(&report.case.target.input);
    let outcome = report.outcome().word();
    let mut lines = vec![format!("UNREFUSE {word} - {input} {outcome}: {}", said(report))];
    for finding in d.causes.iter().filter(|finding| !finding.latent) {
        lines.extend(finding.evidence.iter().map(|seen| format!("{}: {}", seen.source, text::line(&seen.says))));
        lines.extend(finding.advice.iter().take(1).map(|advice| format!("to do: {}", text::line(&advice.does))));
    }
    // What follows the first bar is performance data.
    let mut lines: Vec<String> = lines.iter().map(|line| line.replace('|', "¦")).collect();
    if let (Some(first), Some(symptom)) = (lines.first_mut(), d.symptoms.iter().find(|symptom| symptom.diagnosed)) {
        let _ = write!(first, " ({}) | time={:.6}s;;;0", shown_time(symptom.after), symptom.after.as_secs_f64());
    }
    (format!("{}\n", lines.join("\n")), status)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::diagnose::causes::testing::Host;
    use crate::diagnose::diagnose;

    fn told<T>(host: Host, tell: impl Fn(&Report<'_>) -> T) -> T {
        let case = host.case();
        let diagnosis = diagnose(&case);
        tell(&Report { case: &case, diagnosis: &diagnosis, took: Duration::ZERO })
    }

    fn refused() -> Host {
        Host::refusing(80).listens("127.0.0.1", "ng|nx.service", |_| ())
    }

    fn open() -> Host {
        Host::with_outcome(80, Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ())
    }

    #[test]
    fn one_line_of_each_target() {
        let line = told(refused(), |report| of(report, 12, true));
        assert!(line.starts_with("x 80            refused      bind-loopback-only: "), "{line}");
        let line = told(open(), |report| of(report, 0, false));
        assert!(line.contains("80  open ") && line.ends_with("10.2.0.2:80"), "{line}");
    }

    #[test]
    fn a_monitoring_system_reads_a_status_and_one_field_of_performance_data() {
        let (words, status) = told(refused(), plugin);
        assert_eq!(status, 2);
        let first = words.lines().next().unwrap();
        assert!(first.starts_with("UNREFUSE CRITICAL - 80 refused: bind-loopback-only: "), "{first}");
        assert_eq!(words.matches('|').count(), 1, "{words}");
        assert!(first.split(" | time=").nth(1).unwrap().ends_with("s;;;0"), "{first}");
        assert_eq!(told(open(), plugin).1, 0);
    }
}
