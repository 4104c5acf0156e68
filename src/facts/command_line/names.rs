//! What the name of a flag or an environment variable says about its value.

/// What a value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A port the program listens on.
    Port,
    /// An address it listens on, with a port.
    Address,
    /// An address it listens on, without a port.
    Host,
    /// Somewhere else: where it connects to, what it tells others.
    Foreign,
    /// Nothing of the kind.
    Nothing,
}

/// Words in a name that make it somebody else's address or port.
const FOREIGN: [&str; 96] = [
    "advertise",
    "advertised",
    "allow",
    "allowed",
    "amqp",
    "announce",
    "announced",
    "backend",
    "backends",
    "bootstrap",
    "broker",
    "brokers",
    "cache",
    "callback",
    "cassandra",
    "check",
    "clickhouse",
    "client",
    "collector",
    "connect",
    "connection",
    "consul",
    "container",
    "cors",
    "database",
    "db",
    "dest",
    "destination",
    "dns",
    "dport",
    "dst",
    "elastic",
    "elasticsearch",
    "end",
    "endpoint",
    "etcd",
    "exclude",
    "external",
    "forward",
    "graphite",
    "graylog",
    "ignore",
    "imap",
    "influx",
    "influxdb",
    "initial",
    "jaeger",
    "join",
    "kafka",
    "ldap",
    "leader",
    "mail",
    "mariadb",
    "master",
    "max",
    "memcache",
    "memcached",
    "min",
    "mongo",
    "mongodb",
    "mqtt",
    "mysql",
    "nameserver",
    "nats",
    "origin",
    "otel",
    "otlp",
    "outgoing",
    "peer",
    "peers",
    "pg",
    "pgsql",
    "postgres",
    "postgresql",
    "primary",
    "proxy",
    "public",
    "rabbitmq",
    "range",
    "redis",
    "registry",
    "remote",
    "replica",
    "resolver",
    "seed",
    "seeds",
    "smtp",
    "source",
    "sql",
    "src",
    "statsd",
    "syslog",
    "target",
    "upstream",
    "vault",
    "zookeeper",
];

/// What a flag is for. `program` may make a foreign word its own (`REDIS_PORT` of redis-server).
pub(super) fn role(flag: &str, program: &str) -> Role {
    match flag {
        "-p" => return Role::Port,
        "-b" | "-l" | "-H" | "-S" => return Role::Address,
        "-h" => return Role::Host,
        flag if flag.len() <= 2 => return Role::Nothing,
        _ => {}
    }
    // `-Dserver.port=8080` sets a property of Java.
    let name = flag.strip_prefix("-D").filter(|rest| rest.contains('.')).unwrap_or(flag);
    of_words(&words(name), program)
}

/// What an environment variable is for.
pub(super) fn variable_role(name: &str, program: &str) -> Role {
    match name.to_ascii_uppercase().as_str() {
        "OLLAMA_HOST" | "ASPNETCORE_URLS" | "DOTNET_URLS" => return Role::Address,
        "ASPNETCORE_HTTP_PORTS" | "ASPNETCORE_HTTPS_PORTS" => return Role::Port,
        _ => {}
    }
    of_words(&words(&name.to_ascii_lowercase()), program)
}

/// A variable that holds the address for another one's port.
pub(super) fn is_host_variable(name: &str) -> bool {
    matches!(
        name,
        "HOST" | "BIND" | "BIND_ADDRESS" | "LISTEN_ADDRESS" | "LISTEN_HOST" | "SERVER_HOST" | "SERVER_ADDRESS"
    )
}

fn of_words(words: &[String], program: &str) -> Role {
    let Some(last) = words.last() else { return Role::Nothing };
    let listens = words.iter().any(|w| matches!(w.as_str(), "listen" | "listening" | "bind" | "listener"));
    let foreign = |word: &String| FOREIGN.binary_search(&word.as_str()).is_ok() && !program.contains(word.as_str());
    if !listens && words.iter().any(foreign) {
        return Role::Foreign;
    }
    match last.as_str() {
        "port" | "rfbport" | "httpport" | "httpsport" | "listenport" | "tcpport" => Role::Port,
        "listen" | "bind" | "address" | "addr" | "http" | "https" | "socket" | "inspect" | "listener" => Role::Address,
        "url" | "urls" | "on" | "to" | "hostport" if listens => Role::Address,
        "host" | "ip" | "hostname" | "interface" => Role::Host,
        _ => Role::Nothing,
    }
}

/// `--web.listen-address`, `-httpPort`, `HTTP_PORT` cut into lower-case words.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for c in name.chars().take(200) {
        let camel = c.is_ascii_uppercase() && before.is_ascii_lowercase();
        if camel || !c.is_ascii_alphanumeric() {
            words.extend(Some(std::mem::take(&mut word)).filter(|w| !w.is_empty()));
        }
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    words.extend(Some(word).filter(|w| !w.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(FOREIGN.is_sorted());
    }

    #[test]
    fn names_are_cut_into_words() {
        assert_eq!(words("--web.listen-address"), ["web", "listen", "address"]);
        assert_eq!(words("-httpPort"), ["http", "port"]);
        assert_eq!(words("GF_SERVER__HTTP_PORT"), ["gf", "server", "http", "port"]);
        assert_eq!(words("---"), Vec::<String>::new());
    }

    #[test]
    fn listening_wins_over_foreign_words() {
        assert_eq!(role("--listen-client-urls", ""), Role::Address);
        assert_eq!(role("--client-urls", ""), Role::Foreign);
        assert_eq!(role("--redis-port", "redis-server"), Role::Port);
        assert_eq!(role("--redis-port", "app"), Role::Foreign);
    }
}
