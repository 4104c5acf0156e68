//! systemd over D-Bus: units, their state and why they are in it. Needs no rights.

use std::time::Instant;

use futures_util::future::join_all;
use zbus::OwnedObjectPath;

use super::props::Props;
use super::{Bus, CallError, sandbox};
use crate::facts::Reading;
use crate::facts::unit::{Service, SocketUnit, Unit};
use crate::sources::{Trouble, cgroup, trouble};

pub(in crate::sources) const NAME: &str = "org.freedesktop.systemd1";
pub(crate) const PATH: &str = "/org/freedesktop/systemd1";
pub(crate) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
pub(in crate::sources) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// systemd's own limit (UNIT_NAME_MAX).
const LONGEST_NAME: usize = 255;
/// Beyond this many failed units only their states are told: each one in full costs systemd 2 ms.
const FAILED_IN_FULL: usize = 20;

/// A unit by name. One that systemd does not know has load state `not-found`.
pub async fn unit(bus: &Bus, name: &str) -> Reading<Unit> {
    let began = Instant::now();
    trouble::reading(read_unit(bus, name).await.map(Some), began)
}

/// The units in state failed.
pub async fn failed_units(bus: &Bus) -> Reading<Vec<Unit>> {
    let began = Instant::now();
    trouble::reading(read_failed(bus).await.map(Some), began)
}

async fn read_unit(bus: &Bus, name: &str) -> Result<Unit, Trouble> {
    // A name that D-Bus could not even carry; every other oddity systemd judges itself.
    if name.len() > LONGEST_NAME || name.contains('\0') {
        return Ok(not_found(name, "the name is not valid".into()));
    }
    match object_of(bus, name).await {
        Ok(path) => read_object(bus, &path, name).await,
        // "Unit name x y is not valid.", "Unit name x@.service is missing the instance name."
        Err(CallError::Said { name: error, words }) if error.ends_with(".InvalidArgs") => Ok(not_found(name, words)),
        Err(error) => Err(error.into()),
    }
}

/// The object of a unit. LoadUnit and not GetUnit: that one fails for units that are not in memory.
pub(in crate::sources) async fn object(bus: &Bus, name: &str) -> Result<OwnedObjectPath, Trouble> {
    Ok(object_of(bus, name).await?)
}

/// The primary name of a unit, from its object: every byte that is no letter or digit is written `_xx` there.
pub(in crate::sources) fn name_of(path: &str) -> String {
    let escaped = path.rsplit('/').next().unwrap_or_default();
    let mut pieces = escaped.split('_');
    let mut name = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2).unwrap_or((piece, ""));
        name.extend(u8::from_str_radix(code, 16));
        name.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8_lossy(&name).into_owned()
}

async fn object_of(bus: &Bus, name: &str) -> Result<OwnedObjectPath, CallError> {
    let answer = bus.call(PATH, (MANAGER, "LoadUnit"), &name).await?;
    answer.body().deserialize().map_err(CallError::from)
}

async fn read_object(bus: &Bus, path: &OwnedObjectPath, name: &str) -> Result<Unit, Trouble> {
    // An empty interface means the properties of all of them: one round trip instead of three.
    let answer = bus.call(path.as_str(), (PROPERTIES, "GetAll"), &"").await?;
    let mut props = Props::of(&answer);
    let job = props.job();
    let mut unit = unit_of(&mut props, name);
    if let Some(job) = job {
        unit.job = job_type(bus, &job).await;
    }
    if !unit.control_group.is_empty() {
        let group = unit.control_group.clone();
        unit.cgroup_id = tokio::task::spawn_blocking(move || cgroup::id_of(&group)).await.unwrap_or_default();
    }
    Ok(unit)
}

/// What a job does; none when it is already over.
async fn job_type(bus: &Bus, job: &OwnedObjectPath) -> Option<String> {
    let asked = ("org.freedesktop.systemd1.Job", "JobType");
    let answer = bus.call(job.as_str(), (PROPERTIES, "Get"), &asked).await.ok()?;
    answer.body().deserialize::<zbus::OwnedVariant>().ok()?.try_into().ok()
}

fn not_found(name: &str, words: String) -> Unit {
    Unit {
        name: name.into(),
        names: vec![name.into()],
        load_state: "not-found".into(),
        load_error: Some(words),
        ..Unit::default()
    }
}

/// A unit from its properties.
fn unit_of(props: &mut Props, asked: &str) -> Unit {
    let name = props.text("Id").unwrap_or_else(|| asked.into());
    let requires = props.names(&["Requires", "Requisite", "BindsTo"]);
    let wanted = props.names(&["Wants", "ConsistsOf"]);
    Unit {
        names: props.get("Names"),
        description: props.get("Description"),
        load_state: props.get("LoadState"),
        active_state: props.get("ActiveState"),
        sub_state: props.get("SubState"),
        file_state: props.get("UnitFileState"),
        fragment: props.text("FragmentPath"),
        drop_ins: props.get("DropInPaths"),
        triggered_by: props.get("TriggeredBy"),
        triggers: props.get("Triggers"),
        after: props.get("After"),
        pulls: pulled(&name, &wanted, &requires),
        requires,
        condition_failed: failed_conditions(props),
        load_error: load_error(props),
        active_enter_us: props.get("ActiveEnterTimestamp"),
        inactive_enter_us: props.get("InactiveEnterTimestamp"),
        state_change_us: props.get("StateChangeTimestamp"),
        needs_reload: props.get("NeedDaemonReload"),
        control_group: props.get("ControlGroup"),
        cgroup_id: None,
        job: None,
        sandbox: sandbox::of(props, &name),
        service: name.ends_with(".service").then(|| service_of(props)),
        socket: name.ends_with(".socket").then(|| socket_of(props)),
        name,
    }
}

/// Services that this unit brings along: `postgresql.service` has its clusters as Wants= and as parts.
fn pulled(name: &str, wanted: &[String], required: &[String]) -> Vec<String> {
    let mut pulled: Vec<String> = Vec::new();
    for other in wanted.iter().chain(required) {
        if other.ends_with(".service") && other != name && !pulled.contains(other) {
            pulled.push(other.clone());
        }
    }
    pulled
}

/// Conditions and assertions that stopped the last start, as the unit file spells them.
fn failed_conditions(props: &mut Props) -> Vec<String> {
    let mut failed = Vec::new();
    for (list, verdict, at) in
        [("Conditions", "ConditionResult", "ConditionTimestamp"), ("Asserts", "AssertResult", "AssertTimestamp")]
    {
        // The result also reads "no" before the first check; and a `|` condition may fail while the whole holds.
        let held = props.take::<bool>(verdict).unwrap_or(true) || props.get::<u64>(at) == 0;
        let checked: Vec<Condition> = props.get(list);
        if !held {
            failed.extend(unmet(&checked).into_iter().map(spelt));
        }
    }
    failed
}

/// A condition: its kind, the marks `|` and `!`, its parameter, and how the check went: -1 failed, 0 untested, 1 met.
type Condition = (String, bool, bool, String, i32);

/// Those that failed. A daemon-reload keeps the result of the whole but forgets each one's: a single one is still clear.
fn unmet(checked: &[Condition]) -> Vec<&Condition> {
    let failed: Vec<_> = checked.iter().filter(|c| c.4 < 0).collect();
    match checked {
        [only] => vec![only],
        _ => failed,
    }
}

/// `ConditionPathExists=!/etc/ssh/sshd_not_to_be_run`.
fn spelt((kind, trigger, negate, parameter, _): &Condition) -> String {
    let mark = |set: bool, mark| if set { mark } else { "" };
    format!("{kind}={}{}{parameter}", mark(*trigger, "|"), mark(*negate, "!"))
}

fn load_error(props: &mut Props) -> Option<String> {
    let (name, words) = props.take::<(String, String)>("LoadError")?;
    [words, name].into_iter().find(|text| !text.is_empty())
}

fn service_of(props: &mut Props) -> Service {
    let result: String = props.get("Result");
    let commands = ["ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost"].map(|list| commands(props, list));
    let network_namespace = props.text("NetworkNamespacePath");
    Service {
        kind: props.get("Type"),
        main_pid: props.get("MainPID"),
        exit_code: props.get("ExecMainCode"),
        exit_status: props.get("ExecMainStatus"),
        started_us: props.get("ExecMainStartTimestamp"),
        exited_us: props.get("ExecMainExitTimestamp"),
        restarts: props.get("NRestarts"),
        restart: props.get("Restart"),
        failed_command: if result == "success" { None } else { commands.iter().flatten().find_map(Command::failure) },
        exec_start: commands.into_iter().nth(2).unwrap_or_default().into_iter().map(|c| c.argv).collect(),
        environment: props.get::<Vec<String>>("Environment").into_iter().filter(|e| names_a_place(e)).collect(),
        user: props.get("User"),
        // JoinsNamespaceOf= shares a network only where PrivateNetwork= is set as well (systemd.unit(5)).
        private_network: props.get("PrivateNetwork") || network_namespace.is_some(),
        network_namespace,
        ambient_capabilities: props.get("AmbientCapabilities"),
        result,
    }
}

/// A command of a service and how it last ended.
struct Command {
    argv: Vec<String>,
    may_fail: bool,
    code: i32,
    status: i32,
}

impl Command {
    /// Its words and status, when it ended badly.
    fn failure(&self) -> Option<(String, i32)> {
        const EXITED: i32 = 1;
        let badly = self.code > EXITED || (self.code == EXITED && self.status != 0);
        (badly && !self.may_fail).then(|| (self.argv.join(" "), self.status))
    }
}

/// The commands of one list. The `…Ex` lists say the same with flags instead of one bool, and say less well to old hands.
fn commands(props: &mut Props, list: &str) -> Vec<Command> {
    type Raw = (String, Vec<String>, bool, u64, u64, u64, u64, u32, i32, i32);
    props
        .get::<Vec<Raw>>(list)
        .into_iter()
        .map(|(path, argv, may_fail, .., code, status)| Command {
            argv: if argv.is_empty() { vec![path] } else { argv },
            may_fail,
            code,
            status,
        })
        .collect()
}

/// `Environment=` entries by what their name ends in; a value with an `@` may carry a password and stays out.
fn names_a_place(entry: &str) -> bool {
    let Some((name, value)) = entry.split_once('=') else { return false };
    let name = name.to_ascii_uppercase();
    let place = ["PORT", "ADDR", "ADDRESS", "LISTEN", "BIND", "HOST"];
    place.iter().any(|word| name.ends_with(word)) && !value.contains('@')
}

fn socket_of(props: &mut Props) -> SocketUnit {
    let burst = props.take::<u32>("TriggerLimitBurst");
    let interval = props.take::<u64>("TriggerLimitIntervalUSec");
    SocketUnit {
        listens: props.get("Listen"),
        accept: props.get("Accept"),
        result: props.get("Result"),
        device: props.text("BindToDevice"),
        bind_ipv6_only: props.get("BindIPv6Only"),
        trigger_limit: burst.zip(interval),
    }
}

/// A row of ListUnits: name, description, load, active and sub state, followed unit, object, job's id, type and object.
type Row = (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

async fn failed_rows(bus: &Bus) -> Result<Vec<Row>, Trouble> {
    let answer = bus.call(PATH, (MANAGER, "ListUnitsFiltered"), &(vec!["failed"],)).await?;
    Ok(answer.body().deserialize().map_err(CallError::from)?)
}

/// The names of the failed units, in order.
pub(in crate::sources) async fn failed_names(bus: &Bus) -> Result<Vec<String>, Trouble> {
    let mut names: Vec<String> = failed_rows(bus).await?.into_iter().map(|row| row.0).collect();
    names.sort();
    Ok(names)
}

/// The active timers, each with the unit that it starts.
pub(in crate::sources) async fn timers(bus: &Bus, most: usize) -> Result<Vec<(String, String)>, Trouble> {
    let asked = (vec!["active"], vec!["*.timer"]);
    let answer = bus.call(PATH, (MANAGER, "ListUnitsByPatterns"), &asked).await?;
    let rows: Vec<Row> = answer.body().deserialize().map_err(CallError::from)?;
    let of = rows.into_iter().take(most).map(|row| async move {
        let usual = row.0.strip_suffix(".timer").map(|stem| format!("{stem}.service")).unwrap_or_default();
        let asked = ("org.freedesktop.systemd1.Timer", "Unit");
        let starts = match bus.call(row.6.as_str(), (PROPERTIES, "Get"), &asked).await {
            Ok(answer) => answer.body().deserialize::<zbus::OwnedVariant>().ok().and_then(|v| v.try_into().ok()),
            Err(_) => None,
        };
        (row.0, starts.unwrap_or(usual))
    });
    Ok(join_all(of).await)
}

async fn read_failed(bus: &Bus) -> Result<Vec<Unit>, Trouble> {
    let rows = failed_rows(bus).await?;
    if rows.len() > FAILED_IN_FULL {
        return Ok(rows.into_iter().map(light).collect());
    }
    let full = rows.into_iter().map(|row| async move {
        let path = row.6.clone();
        read_object(bus, &path, &row.0).await.unwrap_or_else(|_| light(row))
    });
    Ok(join_all(full).await)
}

/// What the list itself tells about a unit.
fn light((name, description, load_state, active_state, sub_state, .., job, _): Row) -> Unit {
    Unit {
        names: vec![name.clone()],
        name,
        description,
        load_state,
        active_state,
        sub_state,
        job: Some(job).filter(|job| !job.is_empty()),
        ..Unit::default()
    }
}

#[cfg(test)]
mod tests {
    use zbus::Variant;

    use super::*;

    type Raw = (&'static str, Vec<&'static str>, bool, u64, u64, u64, u64, u32, i32, i32);

    fn command(argv: Vec<&'static str>, code: i32, status: i32) -> Raw {
        (argv[0], argv, false, 0, 0, 0, 0, 0, code, status)
    }

    #[test]
    fn a_failed_check_before_the_start_is_the_failed_command() {
        let mut props = Props::from_pairs([
            ("Id", Variant::new("nginx.service")),
            ("Result", Variant::new("exit-code")),
            ("ExecStartPre", Variant::new(vec![command(vec!["/usr/sbin/nginx", "-t"], 1, 1)])),
            ("ExecStart", Variant::new(vec![command(vec!["/usr/sbin/nginx", "-g", "x y"], 0, 0)])),
            ("ExecMainCode", Variant::new(2i32)),
        ]);
        let unit = unit_of(&mut props, "nginx.service");
        let service = unit.service.unwrap();
        assert_eq!(service.failed_command, Some(("/usr/sbin/nginx -t".into(), 1)));
        assert_eq!(service.exec_start, [["/usr/sbin/nginx", "-g", "x y"]]);
        assert_eq!(service.exit_code, 2);
        assert!(unit.socket.is_none());
    }

    #[test]
    fn a_command_that_may_fail_or_was_stopped_on_purpose_did_not_fail() {
        let mut may_fail = command(vec!["/bin/false"], 1, 1);
        may_fail.2 = true;
        let killed = command(vec!["/bin/app"], 2, 15);
        for (result, commands, failed) in [
            ("exit-code", vec![may_fail], false),
            ("success", vec![killed.clone()], false),
            ("timeout", vec![killed], true),
        ] {
            let mut props =
                Props::from_pairs([("Result", Variant::new(result)), ("ExecStart", Variant::new(commands))]);
            assert_eq!(service_of(&mut props).failed_command.is_some(), failed, "{result}");
        }
    }

    fn conditions(checked: Vec<(&str, bool, bool, &str, i32)>, result: bool, at: u64) -> Vec<String> {
        failed_conditions(&mut Props::from_pairs([
            ("Conditions", Variant::new(checked)),
            ("ConditionResult", Variant::new(result)),
            ("ConditionTimestamp", Variant::new(at)),
        ]))
    }

    #[test]
    fn conditions_are_spelt_as_in_the_unit_file() {
        let path = ("ConditionPathExists", false, true, "/etc/ssh/sshd_not_to_be_run", -1);
        let met = ("ConditionUser", true, false, "root", 1);
        assert_eq!(conditions(vec![met, path], false, 5), ["ConditionPathExists=!/etc/ssh/sshd_not_to_be_run"]);
        assert!(conditions(vec![path], true, 5).is_empty(), "it holds");
        assert!(conditions(vec![path], false, 0).is_empty(), "nobody checked yet");
        let untested = ("ConditionPathExists", true, false, "/x", 0);
        assert_eq!(conditions(vec![untested], false, 5), ["ConditionPathExists=|/x"], "forgotten by a daemon-reload");
        assert!(conditions(vec![untested, met], false, 5).is_empty());
    }

    #[test]
    fn what_an_old_systemd_lacks_or_types_otherwise_is_missing() {
        let empty = unit_of(&mut Props::default(), "app.service");
        assert_eq!((empty.name.as_str(), empty.load_state.as_str()), ("app.service", ""));
        let mut odd = Props::from_pairs([
            ("Id", Variant::new("app.socket")),
            ("Names", Variant::new(7u32)),
            ("ActiveEnterTimestamp", Variant::new("yesterday")),
            ("Listen", Variant::new(vec![1u8, 2])),
            ("TriggerLimitBurst", Variant::new(20u32)),
            ("ControlGroup", Variant::new(("a", "b"))),
        ]);
        let unit = unit_of(&mut odd, "app.socket");
        let socket = unit.socket.unwrap();
        assert!(unit.names.is_empty() && unit.active_enter_us == 0 && socket.listens.is_empty());
        assert_eq!(socket.trigger_limit, None, "half a limit is none");
    }

    #[test]
    fn only_what_names_a_place_is_taken_from_the_environment() {
        let kept = ["PORT=80", "APP_LISTEN=127.0.0.1:1", "bind_addr=::", "DB_HOST=db1"];
        let left = ["SECRET_TOKEN=x", "PORTAL=x", "DB_HOST=postgres://u:p@db1", "PORT", ""];
        assert!(kept.iter().all(|e| names_a_place(e)));
        assert!(!left.iter().any(|e| names_a_place(e)));
    }

    #[test]
    fn clusters_are_pulled_and_targets_are_not() {
        let wanted = ["postgresql@15-main.service".to_owned(), "network.target".to_owned()];
        let required = ["postgresql@15-main.service".to_owned(), "me.service".to_owned(), "db.service".to_owned()];
        assert_eq!(pulled("me.service", &wanted, &required), ["postgresql@15-main.service", "db.service"]);
    }

    #[test]
    fn a_name_comes_back_out_of_its_object() {
        let path = "/org/freedesktop/systemd1/unit/postgresql_4015_2dmain_2eservice";
        assert_eq!(name_of(path), "postgresql@15-main.service");
        assert_eq!(name_of("/org/freedesktop/systemd1/unit/_2d_2emount"), "-.mount");
        assert_eq!(name_of("/x/odd_zz_"), "odd");
    }
}
