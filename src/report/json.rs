//! `check --json`: one object, schema `unrefuse.diagnosis/1`. Keys are only ever added within version 1.

use serde_json::{Value, json};

use super::Report;
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{BoxState, Finding, Symptom};
use crate::facts::path::{EndAnswer, Hop};
use crate::fixes::{Plan, Step};
use crate::text;

/// The object.
pub fn diagnosis(report: &Report<'_>) -> Value {
    let d = report.diagnosis;
    json!({
        "schema": "unrefuse.diagnosis/1",
        "target": target(report),
        "from": from(d.subject.from),
        "outcome": report.outcome().word(),
        "symptoms": d.symptoms.iter().map(symptom).collect::<Vec<_>>(),
        "culprit": d.culprit,
        "causes": d.causes.iter().map(cause).collect::<Vec<_>>(),
        "boxes": d.boxes.iter().map(state).collect::<Vec<_>>(),
        "fixes": d.plans().map(plan).collect::<Vec<_>>(),
        "firewall": super::firewall::object(report),
        "path": path(report),
        "notes": d.notes.iter().map(|n| text::line(n)).collect::<Vec<_>>(),
        "probes": report.case.probes(),
        "took_ms": ms(report.took),
    })
}

fn target(report: &Report<'_>) -> Value {
    let s = &report.diagnosis.subject;
    json!({
        "input": text::line(&report.case.target.input),
        "transport": if s.path.is_some() { "unix" } else { s.transport.word() },
        "host": s.host.as_deref().map(text::line),
        "port": s.port,
        "addresses": s.addresses,
        "local": s.local,
        "unit": s.unit.as_deref().map(text::line),
        "ports": s.ports,
        "path": s.path.as_deref().map(text::line),
    })
}

fn from(asker: Asker) -> Value {
    let address = match asker {
        Asker::Address(address) => Some(address),
        Asker::Here | Asker::Any => None,
    };
    json!({"kind": asker.word(), "address": address})
}

fn symptom(s: &Symptom) -> Value {
    let icmp = s.icmp.as_ref().map(|i| {
        json!({"version": if i.v6 { 6 } else { 4 }, "type": i.kind, "code": i.code, "name": i.name(), "from": i.from})
    });
    json!({
        "from": s.vantage.word(),
        "to": text::line(&s.to.to_string()),
        "outcome": s.outcome.word(),
        "errno": s.errno.as_deref().map(text::line),
        "icmp": icmp,
        "answered_by": s.answered_by.as_deref().map(text::line),
        "after_ms": ms(s.after),
    })
}

/// The way of the connection, where it was looked at.
fn path(report: &Report<'_>) -> Option<Value> {
    let to = report.diagnosis.subject.endpoint()?;
    let path = report.case.here.paths.get(&to)?.value()?;
    let hop = |hop: &Hop| json!({"distance": hop.distance, "address": hop.from, "after_ms": hop.after.map(ms)});
    let from = |answer: &EndAnswer| if let EndAnswer::Icmp(icmp) = answer { icmp.from } else { None };
    let end = path.end.as_ref().map(|end| {
        json!({"distance": end.distance, "answer": end.answer.name(), "from": from(&end.answer), "after_ms": ms(end.after)})
    });
    Some(json!({
        "to": path.to.to_string(),
        "state": path.state(),
        "hops": path.hops.iter().map(hop).collect::<Vec<_>>(),
        "answered": end,
    }))
}

fn cause(f: &Finding) -> Value {
    let evidence: Vec<Value> = f
        .evidence
        .iter()
        .map(|e| json!({"says": text::line(&e.says), "source": e.source, "see": text::line(&e.see)}))
        .collect();
    let advice: Vec<Value> = f
        .advice
        .iter()
        .map(|a| json!({"does": text::line(&a.does), "run": lines(&a.run), "undo": a.undo.as_deref().map(lines)}))
        .collect();
    json!({
        "id": f.cause,
        "box": f.in_box.word(),
        "summary": text::line(&f.summary),
        "subject": text::line(&f.subject),
        "evidence": evidence,
        "advice": advice,
        "fixes": f.plans().map(|p| p.id.as_str()).collect::<Vec<_>>(),
        "latent": f.latent,
        "then": f.then.map(crate::facts::connect::Outcome::word),
    })
}

/// A plan: `fix --plan ID` applies it.
fn plan(p: &Plan) -> Value {
    let step = |step: &Step| {
        json!({
            "does": text::line(&step.does),
            "preview": lines(&step.action.preview()),
            "undo": step.action.undo_preview().as_deref().map(lines),
        })
    };
    json!({
        "id": p.id,
        "cause": p.cause,
        "title": text::line(&p.title),
        "risk": p.risk.word(),
        "guarded": p.guarded(),
        "scope": p.scope,
        "lasting": p.lasting.shown(),
        "warnings": p.warnings.iter().map(|w| text::line(w)).collect::<Vec<_>>(),
        "steps": p.steps.iter().map(step).collect::<Vec<_>>(),
        "then": p.then.map(crate::facts::connect::Outcome::word),
        "next": p.next,
    })
}

fn state(b: &BoxState) -> Value {
    json!({
        "id": b.id.word(),
        "verdict": b.verdict,
        "summary": text::line(&b.summary),
        "because": b.because.as_deref().map(text::line),
    })
}

/// Command lines: safe each, a line each.
fn lines(raw: &str) -> String {
    raw.lines().map(text::line).collect::<Vec<_>>().join("\n")
}

/// Milliseconds with three decimals at most.
fn ms(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
