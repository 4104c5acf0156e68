//! Where vsftpd listens.

use super::address::{ANY4, ANY6, ip_or_name, port};
use super::reader::{Need, Reader, Set, lines, listen, origin};
use crate::facts::daemon::{ListenAddress, Origin};

/// Main files, the first that exists counts.
pub(super) const MAIN: [&str; 2] = ["/etc/vsftpd.conf", "/etc/vsftpd/vsftpd.conf"];

/// Settings; the last one counts.
#[derive(Default)]
struct Vsftpd {
    v4: Option<(bool, Origin)>,
    v6: Option<(bool, Origin)>,
    port: Option<Set<u16>>,
    address: Option<Set<ListenAddress>>,
    address6: Option<Set<ListenAddress>>,
}

/// Reads it.
pub(super) fn read(reader: &mut Reader<'_>, main: &str) {
    let Some(text) = reader.text(main, Need::Must) else { return };
    let mut vsftpd = Vsftpd::default();
    for (number, line) in lines(&text) {
        // vsftpd knows neither blanks around `=` nor comments behind a value: `listen = YES` sets nothing (measured).
        if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            vsftpd.setting(reader, key, value.trim_end(), origin(main, number, line));
        }
    }
    vsftpd.listens(reader);
}

impl Vsftpd {
    fn setting(&mut self, reader: &mut Reader<'_>, key: &str, value: &str, at: Origin) {
        match key {
            "listen" => self.v4 = Some((is_yes(value), at)),
            "listen_ipv6" => self.v6 = Some((is_yes(value), at)),
            "listen_address" => self.address = Some(Set::by(ip_or_name(value), at)),
            "listen_address6" => self.address6 = Some(Set::by(ip_or_name(value), at)),
            "listen_port" => match port(value) {
                Some(port) => self.port = Some(Set::by(port, at)),
                None => reader.gap(format!("{at}: not a port: {value}")),
            },
            _ => {}
        }
    }

    fn listens(self, reader: &mut Reader<'_>) {
        let port = self.port.unwrap_or(Set::built_in(21));
        let mut any = false;
        // With listen_ipv6 the one socket takes IPv4 too, unless net.ipv6.bindv6only says otherwise.
        for (switch, address, wildcard) in [(&self.v4, self.address, ANY4), (&self.v6, self.address6, ANY6)] {
            if let Some((true, at)) = switch {
                let address = address.unwrap_or(Set::by(wildcard, at.clone()));
                reader.listen(listen(&address, &port, None));
                any = true;
            }
        }
        if !any {
            // Then inetd has to start it.
            reader.silenced_by.extend([self.v4, self.v6].into_iter().flatten().map(|(_, at)| at));
        }
    }
}

fn is_yes(value: &str) -> bool {
    matches!(value.to_ascii_uppercase().as_str(), "YES" | "TRUE" | "1")
}

#[cfg(test)]
mod tests {
    use super::super::files::Memory;
    use super::super::testing::{config, shown};
    use crate::facts::daemon::Daemon;

    const DEBIAN: &str = "# Example config file /etc/vsftpd.conf\nlisten=NO\n#\nlisten_ipv6=YES\nanonymous_enable=NO\n\
        local_enable=YES\ndirmessage_enable=YES\nuse_localtime=YES\nconnect_from_port_20=YES\npam_service_name=vsftpd\n";

    fn vsftpd(text: &str) -> Memory {
        Memory::default().file("/usr/sbin/vsftpd", "").file("/etc/vsftpd.conf", text)
    }

    #[test]
    fn debian_default_is_one_socket_for_both_families() {
        let config = config(&vsftpd(DEBIAN), Daemon::Vsftpd);
        assert_eq!(shown(&config), ["[::]:21 /etc/vsftpd.conf:4 -"]);
        assert_eq!(config.silenced_by, []);
    }

    #[test]
    fn port_and_address() {
        let files = vsftpd("listen=yes\nlisten_port=2121\nlisten_address=127.0.0.1\r\nlisten_port=2122\n");
        assert_eq!(shown(&config(&files, Daemon::Vsftpd)), ["127.0.0.1:2122 /etc/vsftpd.conf:3 /etc/vsftpd.conf:4"]);
    }

    #[test]
    fn without_listen_it_waits_for_inetd() {
        let config = config(&vsftpd("listen=NO\nlisten_port=x\nlisten = YES\n"), Daemon::Vsftpd);
        assert_eq!(config.listens, []);
        assert_eq!(config.silenced_by[0].text, "listen=NO");
        assert_eq!(config.gaps, ["/etc/vsftpd.conf:2: not a port: x"]);
    }
}
