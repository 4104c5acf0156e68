//! The unit files of a host: which one counts for each name, with its drop-ins and the instances of templates.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::config::UNIT_DIRS;
use crate::sources::config::files::{Entry, Files, base_of};

/// A service or socket unit's files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// The file that counts; where the unit is masked, the one below the mask. None: only drop-ins.
    pub(super) main: Option<String>,
    /// Drop-ins in the order they apply.
    pub(super) drop_ins: Vec<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// By name.
    pub(super) units: BTreeMap<String, Unit>,
    /// Instances that something wants, or that have a link of their own (`app@8080.service`).
    pub(super) instances: BTreeSet<String>,
}

impl Tree {
    /// Lists the directories systemd loads units from. Reads no unit yet.
    pub(super) fn list(files: &dyn Files) -> Self {
        let mut tree = Self::default();
        let mut drop_ins: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for dir in dirs(files) {
            for entry in files.list(dir).unwrap_or_default() {
                let path = format!("{dir}/{}", entry.name);
                if is_unit(&entry.name) {
                    tree.unit(files, entry, path);
                } else if let Some(unit) = entry.name.strip_suffix(".d").filter(|u| is_unit(u)) {
                    add_parts(files, &path, drop_ins.entry(unit.to_owned()).or_default());
                } else if [".wants", ".requires", ".upholds"].iter().any(|end| entry.name.ends_with(end)) {
                    let wanted = files.list(&path).unwrap_or_default().into_iter().map(|e| e.name);
                    tree.instances.extend(wanted.filter(|name| is_instance(name)));
                }
            }
        }
        for (name, parts) in drop_ins {
            tree.units.entry(name).or_default().drop_ins = parts.into_values().collect();
        }
        tree
    }

    fn unit(&mut self, files: &dyn Files, entry: Entry, path: String) {
        if entry.link {
            let target = files.link(&path).unwrap_or_default();
            let base = base_of(&target);
            if target == "/dev/null" {
                return; // masked: what it hides still tells what it would serve
            }
            if base != entry.name {
                // An alias, or an instance of a template.
                if is_instance(&entry.name) {
                    self.instances.insert(entry.name);
                }
                return;
            }
        }
        if is_instance(&entry.name) {
            self.instances.insert(entry.name.clone());
        }
        self.units.entry(entry.name).or_default().main.get_or_insert(path);
    }

    /// The enabled instances of a template, or the unit itself.
    pub(super) fn names<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        match name.split_once("@.") {
            None => vec![name],
            Some((prefix, suffix)) => {
                let fits =
                    |i: &&String| i.strip_prefix(prefix).is_some_and(|r| r.starts_with('@') && r.ends_with(suffix));
                self.instances.iter().filter(fits).filter(|i| !self.has_own_file(i)).map(String::as_str).collect()
            }
        }
    }

    fn has_own_file(&self, name: &str) -> bool {
        self.units.get(name).is_some_and(|u| u.main.is_some())
    }
}

/// The drop-ins of one directory; those of the same name in earlier directories shadow them.
fn add_parts(files: &dyn Files, dir: &str, found: &mut BTreeMap<String, String>) {
    for part in files.list(dir).unwrap_or_default() {
        if part.name.strip_suffix(".conf").is_some() {
            found.entry(part.name.clone()).or_insert_with(|| format!("{dir}/{}", part.name));
        }
    }
}

/// The directories, without the second name of one (`/lib` is a link to `/usr/lib` nearly everywhere).
fn dirs(files: &dyn Files) -> Vec<&'static str> {
    let merged = files.link("/lib").is_some();
    UNIT_DIRS.into_iter().filter(|dir| !(merged && dir.starts_with("/lib/"))).collect()
}

fn is_unit(name: &str) -> bool {
    name.strip_suffix(".service").or_else(|| name.strip_suffix(".socket")).is_some_and(|stem| !stem.is_empty())
}

fn is_instance(name: &str) -> bool {
    is_unit(name) && name.contains('@') && !name.contains("@.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::config::files::Memory;

    const LIB: &str = "/usr/lib/systemd/system";
    const ETC: &str = "/etc/systemd/system";

    #[test]
    fn earlier_directories_shadow_later_ones_and_aliases_are_not_units() {
        let files = Memory::default()
            .file(&format!("{LIB}/a.service"), "")
            .file(&format!("{ETC}/a.service"), "")
            .file(&format!("{LIB}/b.service"), "")
            .link(&format!("{ETC}/b.service"), "/dev/null")
            .link(&format!("{ETC}/alias.service"), "/usr/lib/systemd/system/a.service")
            .link(&format!("{ETC}/own.service"), "/opt/own/own.service")
            .file(&format!("{LIB}/x.target"), "");
        let tree = Tree::list(&files);
        let main = |name: &str| tree.units.get(name).and_then(|u| u.main.as_deref());
        assert_eq!(main("a.service"), Some("/etc/systemd/system/a.service"));
        assert_eq!(main("b.service"), Some("/usr/lib/systemd/system/b.service"));
        assert_eq!(main("own.service"), Some("/etc/systemd/system/own.service"));
        assert_eq!(tree.units.len(), 3);
    }

    #[test]
    fn drop_ins_in_order_of_their_names() {
        let files = Memory::default()
            .file(&format!("{LIB}/a.service"), "")
            .file(&format!("{LIB}/a.service.d/20.conf"), "")
            .file(&format!("{LIB}/a.service.d/10.conf"), "")
            .file(&format!("{ETC}/a.service.d/20.conf"), "")
            .file(&format!("{ETC}/a.service.d/readme"), "");
        let tree = Tree::list(&files);
        assert_eq!(
            tree.units["a.service"].drop_ins,
            ["/usr/lib/systemd/system/a.service.d/10.conf", "/etc/systemd/system/a.service.d/20.conf"]
        );
    }

    #[test]
    fn only_enabled_instances_of_templates() {
        let files = Memory::default()
            .file(&format!("{LIB}/app@.service"), "")
            .link(&format!("{ETC}/multi-user.target.wants/app@8080.service"), "/usr/lib/systemd/system/app@.service")
            .link(&format!("{ETC}/app@81.service"), "/usr/lib/systemd/system/app@.service")
            .file(&format!("{ETC}/app@82.service"), "")
            .link(&format!("{ETC}/multi-user.target.wants/other@1.service"), "x");
        let tree = Tree::list(&files);
        assert_eq!(tree.names("app@.service"), ["app@8080.service", "app@81.service"]);
        assert_eq!(tree.names("app@82.service"), ["app@82.service"]);
    }

    #[test]
    fn a_second_name_of_the_same_directory_is_not_read_twice() {
        let files = Memory::default().link("/lib", "usr/lib").file("/usr/lib/systemd/system/a.service", "");
        assert!(!dirs(&files).contains(&"/lib/systemd/system"));
        assert!(dirs(&Memory::default()).contains(&"/lib/systemd/system"));
    }
}
