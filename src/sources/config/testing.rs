//! What the parsers' tests share.

use super::files::Memory;
use super::read_from;
use crate::facts::daemon::{ConfiguredListen, Daemon, DaemonConfig, ListenAddress, Origin};

/// All instances.
pub(super) fn configs(files: &Memory, daemon: Daemon) -> Vec<DaemonConfig> {
    read_from(files, daemon)
}

/// The only instance.
pub(super) fn config(files: &Memory, daemon: Daemon) -> DaemonConfig {
    let mut all = configs(files, daemon);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// Each listen as `address:port origin-of-address origin-of-port [v6only|dual]`.
pub(super) fn shown(config: &DaemonConfig) -> Vec<String> {
    config.listens.iter().map(show).collect()
}

fn show(listen: &ConfiguredListen) -> String {
    let at = |o: &Option<Origin>| o.as_ref().map_or("-".into(), ToString::to_string);
    let place = match (&listen.address, listen.port) {
        (ListenAddress::Ip(ip), Some(port)) => std::net::SocketAddr::new(*ip, port).to_string(),
        (ListenAddress::Any, Some(port)) => format!("*:{port}"),
        (ListenAddress::Name(name), Some(port)) => format!("{name}:{port}"),
        (ListenAddress::Path(path), None) => path.clone(),
        odd => panic!("{odd:?}"),
    };
    let family = match listen.v6only {
        Some(true) => " v6only",
        Some(false) => " dual",
        None => "",
    };
    format!("{place} {} {}{family}", at(&listen.address_set_by), at(&listen.port_set_by))
}
