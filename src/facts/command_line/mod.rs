//! Ports and addresses that a service's command line or environment names (`--port 8080`, `-p 8080`, `:8080`,
//! `--bind=127.0.0.1:8000`, `PORT=8080`).
//!
//! It errs on the side of silence: an address the program *connects* to (`--upstream http://127.0.0.1:9000`,
//! `DB_PORT=5432`) taken for one it listens on would send the reader to the wrong unit.

mod names;
mod programs;
mod shell;
mod value;

use std::net::IpAddr;

use super::socket::Transport;
use super::unit::Service;
use names::Role;
use value::Place;

/// Listens that one service may name; more is rubbish.
const MOST: usize = 256;

/// A port found on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandListen {
    /// The port.
    pub port: u16,
    /// The address beside it, where one is given.
    pub address: Option<IpAddr>,
    /// TCP or UDP; none where the program may mean either.
    pub transport: Option<Transport>,
    /// The words that say so, joined by spaces.
    pub words: String,
}

/// What the command lines and the environment of a service name, in order, without repeats of a port.
pub fn listens(service: &Service) -> Vec<CommandListen> {
    let commands: Vec<Vec<String>> = service.exec_start.iter().flat_map(|argv| shell::commands(argv)).collect();
    let program = commands.first().map(|argv| programs::name(argv)).unwrap_or_default();
    let named = commands.iter().flat_map(|argv| in_argv(argv));
    let environment = service.environment.iter().map(String::as_str);
    let mut found: Vec<CommandListen> = Vec::new();
    for listen in named.chain(in_environment(environment, &program)) {
        if found.len() < MOST && !found.iter().any(|f| f.port == listen.port) {
            found.push(listen);
        }
    }
    found
}

/// One command, without the shell around it.
fn in_argv(argv: &[String]) -> Vec<CommandListen> {
    let name = programs::name(argv);
    let assigned = argv.iter().map_while(|w| shell::assignment(w));
    let mut found = in_environment(assigned, &name);
    let default = programs::transport(&name, argv);
    let places = match programs::special(&name, argv) {
        Some(places) => places,
        None => in_flags(argv, &name),
    };
    found.extend(places.into_iter().map(|(place, words)| CommandListen {
        port: place.port,
        address: place.address,
        transport: place.transport.or(default),
        words,
    }));
    found
}

/// Flags and bare words, as nearly all programs take them.
fn in_flags(argv: &[String], program: &str) -> Vec<(Place, String)> {
    let host = host(argv, program);
    let mut found = Vec::new();
    let mut before: Option<Role> = None;
    for (index, word) in argv.iter().enumerate().skip(1) {
        if !word.starts_with('-') {
            let free = before.take().is_none_or(|role| role == Role::Nothing);
            found.extend(value::wildcard(word).filter(|_| free).map(|place| (place, word.clone())));
            continue;
        }
        let (flag, joined) = split(word);
        let role = names::role(flag, program);
        let next = argv.get(index + 1).map(String::as_str).filter(|next| !next.starts_with('-'));
        let words = match (joined, next) {
            (None, Some(next)) => format!("{word} {next}"),
            _ => word.clone(),
        };
        before = joined.is_none().then_some(role);
        let Some(value) = joined.or(next) else { continue };
        let places = match role {
            Role::Port => value::ports(value),
            Role::Address => value::places(value, flag.len() > 2),
            Role::Host | Role::Foreign | Role::Nothing => Vec::new(),
        };
        found.extend(places.into_iter().map(|place| (place.at(host), words.clone())));
    }
    found
}

/// The address that stands in a flag of its own (`--host 127.0.0.1 --port 8000`).
fn host(argv: &[String], program: &str) -> Option<IpAddr> {
    argv.iter().enumerate().skip(1).filter(|(_, word)| word.starts_with('-')).find_map(|(index, word)| {
        let (flag, joined) = split(word);
        let value = joined.or(argv.get(index + 1).map(String::as_str))?;
        matches!(names::role(flag, program), Role::Host | Role::Address).then(|| value::ip(value)).flatten()
    })
}

/// `--flag=value`, `-p8080`.
fn split(word: &str) -> (&str, Option<&str>) {
    if let Some((flag, value)) = word.split_once('=') {
        return (flag, Some(value));
    }
    match word.split_at_checked(2) {
        Some((flag @ ("-p" | "-b" | "-l"), value)) if value.starts_with(|c: char| c.is_ascii_digit() || c == ':') => {
            (flag, Some(value))
        }
        _ => (word, None),
    }
}

/// `PORT=8080`, `APP_LISTEN=127.0.0.1:8080`, with the address of `HOST=127.0.0.1`.
fn in_environment<'a>(entries: impl Iterator<Item = &'a str> + Clone, program: &str) -> Vec<CommandListen> {
    let pairs = entries.filter_map(|entry| Some((entry, entry.split_once('=')?)));
    let host = pairs.clone().find_map(|(_, (name, value))| names::is_host_variable(name).then(|| value::ip(value))?);
    let listens = pairs.flat_map(|(entry, (name, value))| {
        let places = match names::variable_role(name, program) {
            Role::Port => value::ports(value),
            Role::Address => value::places(value, true),
            Role::Host | Role::Foreign | Role::Nothing => Vec::new(),
        };
        places.into_iter().map(move |place| (place.at(host), entry))
    });
    let default = programs::transport(program, &[]);
    listens
        .map(|(place, entry)| CommandListen {
            port: place.port,
            address: place.address,
            transport: place.transport.or(default),
            words: entry.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Vec<CommandListen> {
        let argv = line.split(' ').map(|w| w.replace('_', " ")).collect();
        listens(&Service { exec_start: vec![argv], ..Service::default() })
    }

    fn ports(line: &str) -> Vec<u16> {
        of(line).into_iter().map(|l| l.port).collect()
    }

    fn places(line: &str) -> Vec<String> {
        of(line)
            .into_iter()
            .map(|l| format!("{}:{}", l.address.map_or("?".into(), |a| a.to_string()), l.port))
            .collect()
    }

    fn environment(entries: &[&str]) -> Vec<String> {
        let environment = entries.iter().map(ToString::to_string).collect();
        let exec_start = vec![vec!["/usr/bin/rabbitmq-server".to_owned()]];
        let found = listens(&Service { exec_start, environment, ..Service::default() });
        found.into_iter().map(|l| format!("{}:{}", l.address.map_or("?".into(), |a| a.to_string()), l.port)).collect()
    }

    #[test]
    fn common_ways_to_name_a_port() {
        assert_eq!(places("/usr/bin/app --port 8080"), ["?:8080"]);
        assert_eq!(places("/usr/bin/app --port=8080 --host=127.0.0.1"), ["127.0.0.1:8080"]);
        assert_eq!(places("/usr/bin/app -p8080"), ["?:8080"]);
        assert_eq!(places("/usr/bin/app --listen 8080"), ["?:8080"]);
        assert_eq!(places("/usr/bin/app --bind-addr [::1]:8080"), ["::1:8080"]);
        assert_eq!(places("/usr/bin/app serve :8080"), ["?:8080"]);
        assert_eq!(of("/usr/bin/app --port 8080")[0].words, "--port 8080");
    }

    #[test]
    fn python_and_ruby() {
        assert_eq!(places("/usr/bin/gunicorn -b 127.0.0.1:8000 -w 4 app:app"), ["127.0.0.1:8000"]);
        assert_eq!(places("/usr/bin/gunicorn --bind=0.0.0.0:8000 --bind=unix:/run/x.sock app:app"), ["0.0.0.0:8000"]);
        assert_eq!(places("/srv/venv/bin/uvicorn main:app --host 0.0.0.0 --port 8000 --workers 4"), ["0.0.0.0:8000"]);
        assert_eq!(places("python3 -m http.server --bind ::1 8001"), ["::1:8001"]);
        assert_eq!(of("python3 -m http.server 8001 --bind ::1")[0].words, "--bind ::1 8001");
        assert_eq!(places("python3 -m http.server 8001"), ["?:8001"]);
        assert_eq!(places("python manage.py runserver 127.0.0.1:8000"), ["127.0.0.1:8000"]);
        assert_eq!(places("python manage.py runserver --noreload 0.0.0.0:8000"), ["0.0.0.0:8000"]);
        assert_eq!(
            places("/usr/bin/uwsgi --http :8080 --http-socket 127.0.0.1:9090 --socket /run/x.sock"),
            ["?:8080", "127.0.0.1:9090"]
        );
        assert_eq!(places("puma -b tcp://0.0.0.0:9292 config.ru"), ["0.0.0.0:9292"]);
        assert_eq!(places("twistd web --port tcp:8080 --path ."), ["?:8080"]);
        assert_eq!(places("jupyter lab --ip=127.0.0.1 --port=8888 --no-browser"), ["127.0.0.1:8888"]);
    }

    #[test]
    fn java_and_node() {
        assert_eq!(ports("/usr/bin/java -Xmx512m -Dserver.port=8081 -jar /opt/app.jar"), [8081]);
        assert_eq!(ports("/usr/bin/java -jar /opt/app.jar --server.port=8081 --spring.redis.port=6379"), [8081]);
        assert_eq!(
            ports("/usr/bin/java -Dhttp.proxyHost=10.0.0.1 -Dhttp.proxyPort=3128 -jar x.jar"),
            Vec::<u16>::new()
        );
        assert_eq!(ports("/usr/bin/java -jar /usr/share/java/jenkins.war --webroot=/var --httpPort=8080"), [8080]);
        assert_eq!(
            ports("java -agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=*:5005 -jar x.jar"),
            [5005]
        );
        assert_eq!(ports("/usr/bin/env PORT=3000 node /srv/app/server.js"), [3000]);
        assert_eq!(ports("/usr/bin/node server.js --port=3000 --db-host=10.0.0.1 --db-port 5432"), [3000]);
        assert_eq!(ports("/usr/bin/node --inspect=127.0.0.1:9229 server.js"), [9229]);
    }

    #[test]
    fn go_services() {
        assert_eq!(
            ports(
                "/usr/bin/prometheus --config.file=/etc/p.yml --web.listen-address=:9090 --web.external-url=http://p:80/"
            ),
            [9090]
        );
        assert_eq!(
            places("/usr/bin/node_exporter --web.listen-address=127.0.0.1:9100 --no-collector.wifi"),
            ["127.0.0.1:9100"]
        );
        assert_eq!(ports("/usr/bin/minio server --address :9000 --console-address :9001 /data"), [9000, 9001]);
        assert_eq!(
            ports(
                "/usr/bin/etcd --listen-client-urls http://127.0.0.1:2379,http://10.0.0.1:2381 --advertise-client-urls http://10.0.0.1:2383 --initial-cluster a=http://10.0.0.1:2384"
            ),
            [2379, 2381]
        );
        assert_eq!(ports("/usr/bin/dockerd -H fd:// -H tcp://127.0.0.1:2375"), [2375]);
        assert_eq!(
            ports(
                "kube-apiserver --secure-port=6443 --etcd-servers=https://127.0.0.1:2379 --service-node-port-range=30000-32767"
            ),
            [6443]
        );
        assert_eq!(
            ports(
                "/usr/bin/alertmanager --cluster.listen-address= --cluster.peer=10.0.0.2:9094 --web.listen-address=:9093"
            ),
            [9093]
        );
    }

    #[test]
    fn docker() {
        let proxy = "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8081 -container-ip 172.17.0.3 -container-port 80";
        assert_eq!(places(proxy), ["0.0.0.0:8081"]);
        assert_eq!(of(&proxy.replace("tcp", "udp"))[0].transport, Some(Transport::Udp));
        let run = "/usr/bin/docker run --rm --name web -p 127.0.0.1:8080:80 --publish=8443:443/tcp -p 53:53/udp -e PORT=9 nginx --port 7";
        assert_eq!(places(run), ["127.0.0.1:8080", "?:8443", "?:53"]);
        assert_eq!(of(run)[2].transport, Some(Transport::Udp));
        assert_eq!(ports("/usr/bin/docker run --network host app --port 7000"), [7000]);
        assert_eq!(ports("/usr/bin/docker stop -t 80 web"), Vec::<u16>::new());
    }

    #[test]
    fn tunnels_and_plumbing() {
        assert_eq!(places("nc -l -p 7000"), ["?:7000"]);
        assert_eq!(places("/bin/nc -lk 127.0.0.1 7000"), ["127.0.0.1:7000"]);
        assert_eq!(places("nc 10.0.0.1 7000"), Vec::<String>::new());
        assert_eq!(places("/usr/bin/socat TCP-LISTEN:8080,fork,bind=127.0.0.1 TCP:10.0.0.5:80"), ["127.0.0.1:8080"]);
        assert_eq!(of("socat UDP4-RECVFROM:514,fork STDOUT")[0].transport, Some(Transport::Udp));
        assert_eq!(places("/usr/bin/ssh -N -L 5433:db:5432 -p 22 -R 9:x:9 user@jump"), ["127.0.0.1:5433"]);
        assert_eq!(places("autossh -M 0 -N -L *:5433:db:5432 -D 1080 jump"), ["?:5433", "127.0.0.1:1080"]);
        assert_eq!(places("/usr/bin/websockify 6080 localhost:5900"), ["?:6080"]);
        assert_eq!(places("/usr/bin/php -S 0.0.0.0:8000 -t /srv"), ["0.0.0.0:8000"]);
        assert_eq!(places("/usr/sbin/sshd -D -p 2222"), ["?:2222"]);
        assert_eq!(ports("Xtigervnc :1 -rfbport 5901 -localhost"), [5901]);
    }

    #[test]
    fn shells_and_wrappers() {
        assert_eq!(ports("/bin/sh -c cd_/srv_&&_PORT=3001_exec_node_app.js"), [3001]);
        assert_eq!(ports("/bin/bash -lc exec_/usr/bin/app_--port_'8080'_>>/var/log/app"), [8080]);
        assert_eq!(ports("/usr/bin/nice -n 5 /usr/bin/app --port 8080"), [8080]);
        assert_eq!(ports("/bin/sh -c curl_-p_80_http://127.0.0.1:8080;_sleep_80"), Vec::<u16>::new());
    }

    #[test]
    fn what_only_looks_like_a_port_is_left_alone() {
        for line in [
            "/usr/sbin/mysqld --user=mysql --pid-file=/run/x",
            "/bin/app a:b 1:2:3x --size 8080",
            "/bin/sleep 100",
            "/usr/bin/app --upstream=http://127.0.0.1:9000",
            "/usr/bin/app --upstream http://127.0.0.1:9000",
            "/usr/bin/app --connect db:5432",
            "/usr/bin/app --connect 0.0.0.0:5432",
            "/usr/bin/app --database-url postgres://u:p@127.0.0.1:5432/db",
            "/usr/bin/app postgres://u:p@127.0.0.1:5432/db",
            "/usr/bin/app 127.0.0.1:9000",
            "/usr/bin/app --user 1:2 --at 12:30",
            "/usr/bin/app 12:30",
            "/usr/bin/app --remote-write.address 10.0.0.1:80",
            "/usr/bin/app --bootstrap-server localhost:9092",
            "/usr/bin/consul agent -retry-join 10.0.0.1:8301 -advertise-address=10.0.0.1:8301",
            "/usr/sbin/iptables -A INPUT -p tcp --dport 22 -j ACCEPT",
            "/usr/sbin/haproxy -Ws -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid",
            "/usr/bin/mysql --port 3306 --host 127.0.0.1",
            "/usr/bin/curl -H Host:80 http://127.0.0.1:80/",
            "/usr/bin/app --listen unix:///run/x.sock:80",
            "/usr/bin/app --port 0",
            "/usr/bin/app --port 99999",
            "/usr/bin/app --port",
            "/usr/bin/app -l 3 -b 9600",
            "",
        ] {
            assert_eq!(ports(line), Vec::<u16>::new(), "{line}");
        }
    }

    #[test]
    fn environment_counts_when_the_name_says_port() {
        assert_eq!(environment(&["PORT=3000", "APP_LISTEN=127.0.0.1:3001"]), ["?:3000", "127.0.0.1:3001"]);
        assert_eq!(environment(&["HOST=127.0.0.1", "PORT=3000"]), ["127.0.0.1:3000"]);
        assert_eq!(environment(&["ASPNETCORE_URLS=http://0.0.0.0:5000;https://*:5001"]), ["0.0.0.0:5000", "?:5001"]);
        assert_eq!(environment(&["OLLAMA_HOST=0.0.0.0:11434"]), ["0.0.0.0:11434"]);
        assert_eq!(environment(&["ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:2379"]), ["127.0.0.1:2379"]);
        assert_eq!(environment(&["RABBITMQ_NODE_PORT=5673"]), ["?:5673"], "the program's own name");
        let foreign = [
            "DB_PORT=5432",
            "REDIS_PORT=6379",
            "SMTP_PORT=25",
            "DATABASE_URL=postgres://u:p@127.0.0.1:5432/db",
            "VAULT_ADDR=http://127.0.0.1:8200",
            "HTTP_PROXY=http://10.0.0.1:3128",
            "X_PORT=tcp://10.0.0.1:80",
            "PORTS=80",
            "PORT=",
            "PORT",
        ];
        assert_eq!(environment(&foreign), Vec::<String>::new());
    }

    #[test]
    fn only_programs_known_for_udp_may_mean_it() {
        assert_eq!(of("/usr/bin/app --port 8080")[0].transport, Some(Transport::Tcp));
        assert_eq!(of("/usr/sbin/openvpn --port 1194")[0].transport, None);
        assert_eq!(of("/usr/bin/app --listen udp://0.0.0.0:514")[0].transport, Some(Transport::Udp));
    }

    #[test]
    fn rubbish_ends() {
        let argv = vec!["--port".to_owned(); 100_000];
        assert_eq!(listens(&Service { exec_start: vec![argv], ..Service::default() }), []);
        let nested = vec!["/bin/sh".into(), "-c".into(), format!("sh -c {}", "sh -c ".repeat(10_000))];
        assert_eq!(listens(&Service { exec_start: vec![nested], ..Service::default() }), []);
        let many: Vec<String> = (1..60_000).map(|p| format!("--port={p}")).collect();
        let argv = std::iter::once("x".to_owned()).chain(many).collect();
        assert_eq!(listens(&Service { exec_start: vec![argv], ..Service::default() }).len(), MOST);
    }
}
