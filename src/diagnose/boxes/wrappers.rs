//! Do TCP wrappers allow it?

use super::{Judged, elsewhere, plain, unknown, unneeded};
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{BoxState, Evidence, Verdict};
use crate::diagnose::wrappers::{Line, Says, others, says};

const SEE: &str = "grep -n . /etc/hosts.allow /etc/hosts.deny";

pub(super) fn state(judged: &Judged<'_, '_>) -> BoxState {
    let (id, look, subject) = (BoxId::Wrappers, judged.look, judged.subject);
    if let Some(not_here) = elsewhere(id, judged) {
        return not_here;
    }
    let dial = subject.endpoint().and_then(|endpoint| look.dialled(&endpoint));
    let Some((dial, said)) = dial.and_then(|dial| Some((dial, says(look, subject, dial)?))) else {
        return BoxState { because: None, ..unknown(id, "whether the daemon uses libwrap is not known") };
    };
    match said {
        Says::Unneeded(why) => unneeded(id, &why),
        Says::Unknown(why) => unknown(id, why),
        Says::Denied { by, .. } => {
            let mut state = plain(id, Verdict::No, format!("{} turns it away", shown(&by)));
            state.evidence.push(Evidence::new("hosts_access", state.summary.clone(), SEE));
            state
        }
        Says::Granted { libwrap, by } => {
            let lines = others(look, subject, dial, libwrap, false).unwrap_or_default();
            let lets = match &by {
                Some(line) => format!("{} lets it in", shown(line)),
                None => "no line turns it away".to_owned(),
            };
            let some: Vec<String> = lines.iter().map(shown).collect();
            let but =
                if some.is_empty() { String::new() } else { format!("; some are turned away by {}", some.join(", ")) };
            let mut state = plain(id, Verdict::Yes, format!("{lets}{but}"));
            state.evidence.push(Evidence::new("hosts_access", state.summary.clone(), SEE));
            state
        }
    }
}

fn shown(line: &Line) -> String {
    format!("{}:{} ({})", line.file, line.line, line.text)
}
