//! Elasticsearch or OpenSearch does not start because a bootstrap check finds the host unfit.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, failed_by, found_failed, start_again};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::FailureKind;
use crate::diagnose::verdict::{Advice, arg};
use crate::facts::unit::Unit;
use crate::fixes::unit::{brought_up, with_drop_in};
use crate::fixes::{Plan, Risk, sysctl};

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-bootstrap-check-refuses",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "A search server finds the host unfit and does not start",
        what: "Once network.host names an address that others can reach, Elasticsearch and OpenSearch take the host for a server \
               in production and check it: enough memory maps (vm.max_map_count), file descriptors, threads, locked memory, \
               and how it finds others. What was a warning on loopback then ends the process (status 78), right after the \
               edit that was to make it reachable.",
        see: "journalctl -b -u UNIT -g 'bootstrap check'\nsysctl vm.max_map_count\nsystemctl show -p \
              LimitNOFILE,LimitNPROC,LimitMEMLOCK UNIT",
        fix: "sysctl -w vm.max_map_count=262144 and the same in /etc/sysctl.d; LimitNOFILE=65535, LimitMEMLOCK=infinity in a \
              drop-in of the unit; discovery.type: single-node for one that stands alone",
        undo: "the old value; systemctl revert UNIT",
    },
    detect,
};

const MAPS: &str = "vm/max_map_count";

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (unit, failure, says) =
        failed_by(scene, |kind| if let FailureKind::Bootstrap { says } = kind { Some(says.clone()) } else { None })?;
    let summary = format!("{} does not start: its bootstrap check says {says}", unit.name);
    let found = found_failed(scene, unit, &failure, summary);
    let least = number_after(&says, "at least [");
    Some(match least {
        Some(least) if says.contains("vm.max_map_count") => {
            let plan = Plan::new("more-memory-maps", format!("let a process have {least} memory maps, and start it"));
            let plan = plan.risk(Risk::Medium).warn("it holds for every process of this host");
            found.fix(brought_up(sysctl::for_good(plan, MAPS, &least.to_string()), unit))
        }
        Some(least) if says.contains("max file descriptors") => {
            found.fix(limit(unit, "LimitNOFILE", &least.to_string()))
        }
        Some(least) if says.contains("max number of threads") => {
            found.fix(limit(unit, "LimitNPROC", &least.to_string()))
        }
        _ if says.contains("memory locking requested") => found.fix(limit(unit, "LimitMEMLOCK", "infinity")),
        _ => by_hand(found, unit),
    })
}

fn limit(unit: &Unit, name: &str, value: &str) -> Plan {
    let plan = Plan::new("raise-limit", format!("give {} {name}={value}, and start it", unit.name)).risk(Risk::Medium);
    with_drop_in(plan, unit, "limits", &format!("[Service]\n{name}={value}\n"))
}

fn by_hand(found: Found, unit: &Unit) -> Found {
    let run = "edit elasticsearch.yml: discovery.type: single-node";
    found
        .advise(Advice::new("where it stands alone, say so in its configuration", run, Some("take the line out")))
        .advise(Advice::new("read what each check wants", format!("journalctl -b -u {}", arg(&unit.name)), None))
        .advise(start_again(unit))
}

fn number_after(text: &str, key: &str) -> Option<u64> {
    let (_, rest) = text.split_once(key)?;
    rest.split(']').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Case;

    const ID: &str = "svc-bootstrap-check-refuses";

    fn search(line: &str) -> Case {
        let line = format!("elasticsearch: {line}");
        Host::refusing(9200)
            .claimed_by("elasticsearch.service")
            .journal("elasticsearch.service", &[&line])
            .unit("elasticsearch.service", |u| u.active_state = "failed".into())
            .case()
    }

    fn planned(says: &str) -> String {
        let found = assert_culprit(&search(&format!("bootstrap check failure [1] of [1]: {says}")), ID);
        let culprit = found.culprit().unwrap();
        assert!(culprit.summary.contains(says), "{}", culprit.summary);
        culprit.plans().next().map(crate::fixes::Plan::commands).unwrap_or_default()
    }

    #[test]
    fn what_each_check_wants() {
        let maps =
            planned("max virtual memory areas vm.max_map_count [65530] is too low, increase to at least [262144]");
        assert!(maps.starts_with("sysctl -w vm.max_map_count=262144\n"), "{maps}");
        assert!(maps.contains("vm.max_map_count = 262144") && maps.contains("start elasticsearch.service"), "{maps}");
        let files =
            planned("max file descriptors [4096] for elasticsearch process is too low, increase to at least [65535]");
        assert!(files.contains("LimitNOFILE=65535"), "{files}");
        assert!(
            planned("memory locking requested for elasticsearch process but memory is not locked").contains("infinity")
        );
        let discovery = "the default discovery settings are unsuitable for production use";
        assert_eq!(planned(discovery), "");
    }

    #[test]
    fn another_failure_is_another_matter() {
        assert_not_found(&search("fatal exception while booting Elasticsearch"), ID);
    }
}
