//! Things that several scenarios do to a host, in the words of an operator.

use crate::cmd::Step;
use crate::host::Host;

/// Enables and starts a unit, as the installation of its package would have done.
pub(crate) fn start(host: &Host, unit: &str) -> Step {
    host.run(&["systemctl", "enable", "--quiet", "--now", unit])
}

/// Asks for a restart that may fail: the operator finds that out afterwards.
pub(crate) fn restart_in_vain(host: &Host, unit: &str) -> Step {
    host.try_run(&["systemctl", "restart", unit]).map(drop)
}

/// Puts a drop-in beside a unit; it counts from the next start.
pub(crate) fn drop_in(host: &Host, unit: &str, text: &str) -> Step {
    host.unit(&format!("{unit}.d/50-local.conf"), text)
}

/// Takes that drop-in away and starts the unit again.
pub(crate) fn without_drop_in(host: &Host, unit: &str) -> Step {
    host.sh(&format!(
        "rm -r /etc/systemd/system/{unit}.d; systemctl daemon-reload; systemctl reset-failed {unit} || :"
    ))?;
    host.run(&["systemctl", "restart", unit])
}

/// Edits the daemon's file, then asks for the restart that fails.
pub(crate) fn edit_and_restart(host: &Host, unit: &str, path: &str, text: &str) -> Step {
    host.append(path, text)?;
    restart_in_vain(host, unit)
}

/// Replaces nginx's sites by this one.
pub(crate) fn nginx_site(host: &Host, site: &str) -> Step {
    host.sh("rm -f /etc/nginx/sites-enabled/default")?;
    host.write("/etc/nginx/conf.d/site.conf", site)
}

/// Back to a site that any client reaches.
pub(crate) fn nginx_repaired(host: &Host, ports: &str) -> Step {
    let listen =
        ports.split(' ').map(|port| format!("listen {port}; listen [::]:{port};")).collect::<Vec<_>>().join(" ");
    nginx_site(host, &format!("server {{ {listen} root /var/www/html; }}\n"))?;
    host.run(&["systemctl", "restart", "nginx"])
}

/// Where PostgreSQL's main cluster has its configuration, for a shell.
pub(crate) const PG_CONF: &str = "/etc/postgresql/*/main/postgresql.conf";

/// The unit of PostgreSQL's main cluster.
pub(crate) fn pg_unit(host: &Host) -> Step<String> {
    Ok(format!("postgresql@{}-main.service", host.read(&["sh", "-c", "cd /etc/postgresql; echo *"])?.trim()))
}

/// Sets one of PostgreSQL's settings at the end of the file, where it wins.
pub(crate) fn pg_set(host: &Host, name: &str, value: &str) -> Step {
    host.sh(&format!("echo \"{name} = '{value}'\" >>$(echo {PG_CONF})"))
}

/// PostgreSQL as a database server for others.
pub(crate) fn open_postgres(host: &Host) -> Step {
    pg_set(host, "listen_addresses", "*")?;
    pg_set(host, "port", "5432")?;
    postgres_clients(host)?;
    host.run(&["systemctl", "enable", "--quiet", "postgresql"])?;
    host.run(&["systemctl", "restart", "postgresql"])
}

/// Lets clients of other hosts log in, which PostgreSQL as it is installed does not.
pub(crate) fn postgres_clients(host: &Host) -> Step {
    host.sh("echo 'host all all all scram-sha-256' >>$(echo /etc/postgresql/*/main/pg_hba.conf)")
}

/// MariaDB as a database server for others.
pub(crate) fn open_mariadb(host: &Host) -> Step {
    host.write("/etc/mysql/mariadb.conf.d/99-local.cnf", "[mysqld]\nbind-address = 0.0.0.0\nport = 3306\n")?;
    host.run(&["systemctl", "enable", "--quiet", "mariadb"])?;
    host.run(&["systemctl", "restart", "mariadb"])?;
    host.run(&["mariadb", "-e", "CREATE OR REPLACE USER shop@'%' IDENTIFIED BY 'secret'"])
}

/// Starts MariaDB as it was installed, with an account for clients of any host.
pub(crate) fn mariadb_with_account(host: &Host) -> Step {
    start(host, "mariadb")?;
    mariadb_account(host)
}

/// Gives MariaDB an account for clients of any host, without which it turns them all away.
pub(crate) fn mariadb_account(host: &Host) -> Step {
    host.run(&["mariadb", "-e", "CREATE OR REPLACE USER shop@'%' IDENTIFIED BY 'secret'"])
}

/// Gives Redis a password, without which protected mode takes no client of another host.
pub(crate) fn redis_password(host: &Host) -> Step {
    host.append("/etc/redis/redis.conf", "requirepass a-long-password\n")
}

/// Redis as a cache for others.
pub(crate) fn open_redis(host: &Host) -> Step {
    host.append("/etc/redis/redis.conf", "bind 0.0.0.0\nprotected-mode no\nport 6379\n")?;
    host.run(&["systemctl", "enable", "--quiet", "redis-server"])?;
    host.run(&["systemctl", "reset-failed"])?;
    host.run(&["systemctl", "restart", "redis-server"])
}

/// Installs a home-made server: a Python program and its unit, started at once.
pub(crate) fn home_made(host: &Host, name: &str, port: &str, program: &str) -> Step {
    host.write(&format!("/opt/{name}/{name}.py"), program)?;
    home_made_unit(host, name, &format!("ExecStart=/usr/bin/python3 -u /opt/{name}/{name}.py --port {port}\n"))?;
    start(host, name)
}

/// The unit of a home-made server.
pub(crate) fn home_made_unit(host: &Host, name: &str, service: &str) -> Step {
    let text =
        format!("[Unit]\nDescription=The {name} server\n[Service]\n{service}[Install]\nWantedBy=multi-user.target\n");
    host.unit(&format!("{name}.service"), &text)
}

/// Waits until something listens on a port.
pub(crate) fn listening(host: &Host, port: &str) -> Step {
    host.wait(&format!("ss -Hltn 'sport = :{port}' | grep -q ."))
}

/// A Python server that listens at an address given as an expression. Its port is `--port N` on the command line.
pub(crate) fn listens_at(address: &str) -> String {
    format!(
        "import socket, sys\ns = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n\
         s.bind(({address}, int(sys.argv[2])))\ns.listen(16)\nprint('serving')\nheld = []\nwhile True: held.append(s.accept()[0])\n"
    )
}

/// Edits `/etc/hosts` with a sed expression; the file stays the same one, as it may be mounted.
pub(crate) fn change_hosts_file(host: &Host, expression: &str) -> Step {
    host.run(&["sh", "-ec", r#"sed "$1" /etc/hosts >/tmp/hosts; cat /tmp/hosts >/etc/hosts"#, "sh", expression])
}
