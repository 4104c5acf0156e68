//! What Docker 20.10 and podman 4.3 answered, cut short.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn docker_list() -> Value {
    json!({
        "Id": "3f2a9c0d1e5b7f80", "Names": ["/web"], "Image": "image", "State": "running", "Status": "Up 2 seconds",
        "Ports": [
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
            {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
            {"PrivatePort": 443, "Type": "tcp"}
        ],
        "Labels": {
            "com.docker.compose.project": "shop", "com.docker.compose.service": "front",
            "com.docker.compose.project.config_files": "/srv/a.yaml,/srv/b.yaml",
            "com.docker.compose.project.working_dir": "/srv"
        },
        "HostConfig": {"NetworkMode": "default"},
        "NetworkSettings": {"Networks": {"bridge": {"Gateway": "172.17.0.1", "IPAddress": "172.17.0.2"}}},
        "Mounts": []
    })
}

fn docker_inspect() -> Value {
    json!({
        "Id": "3f2a9c0d1e5b7f80", "Name": "/web", "RestartCount": 3,
        "State": {"Status": "exited", "Running": false, "Pid": 0, "ExitCode": 137, "OOMKilled": true, "Error": ""},
        "Config": {
            "Image": "image", "Cmd": ["httpd", "-f"], "Entrypoint": null, "User": "", "WorkingDir": "/",
            "Env": ["PATH=/bin", "PASSWORD=hunter2"], "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Labels": {}
        },
        "HostConfig": {
            "NetworkMode": "default", "Privileged": false, "CapAdd": null, "AutoRemove": false,
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5},
            "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "5300-5310"}]}
        },
        "NetworkSettings": {"Ports": {}, "Networks": {"bridge": {"Gateway": "", "IPAddress": ""}}},
        "Mounts": [{"Type": "volume", "Name": "data", "Source": "/var/lib/docker/volumes/data/_data", "Destination": "/data", "RW": false}]
    })
}

#[test]
fn an_entry_of_a_list() {
    let container = listed(&docker_list()).unwrap();
    assert_eq!((container.name.as_str(), container.state), ("web", State::Running));
    let shown: Vec<String> = container.published.iter().map(Published::shown).collect();
    assert_eq!(shown, ["0.0.0.0:8080->80/tcp", "[::]:8080->80/tcp"]);
    assert_eq!(container.exposed, [(Transport::Tcp, 443)]);
    assert!(container.has("172.17.0.2".parse().unwrap()));
    let compose = container.compose.unwrap();
    assert_eq!(compose.files, ["/srv/a.yaml", "/srv/b.yaml"]);
}

#[test]
fn one_that_ended_tells_what_it_would_publish() {
    let container = summary(&docker_inspect()).unwrap();
    let shown: Vec<String> = container.published.iter().map(Published::shown).collect();
    assert_eq!(shown, ["0.0.0.0:8080->80/tcp", "127.0.0.1:5300->53/udp"]);
    let end = container.end.unwrap();
    assert_eq!((end.code, end.oom_killed, end.restarts, end.policy.as_str()), (137, true, 3, "on-failure:5"));
    assert_eq!(container.exposed, [(Transport::Tcp, 80), (Transport::Udp, 53)]);
}

#[test]
fn how_it_was_made_holds_no_values_of_its_environment() {
    let near = near(&docker_inspect());
    assert_eq!(near.pid, None);
    assert_eq!(near.made.environment, ["PATH", "PASSWORD"]);
    assert_eq!(near.made.mounts, ["data:/data:ro"]);
    assert!(!format!("{near:?}").contains("hunter2"));
}

#[test]
fn what_docker_keeps_on_disk_has_no_word_for_the_state() {
    let kept = json!({"ID": "3f2a9c0d1e5b7f80", "Name": "/web", "State": {"Running": true, "Pid": 7}, "Config": {}});
    assert_eq!(summary(&kept).unwrap().state, State::Running);
}

#[test]
fn an_entrypoint_of_older_podmans_is_one_word() {
    let container =
        json!({"Id": "3f2a9c0d1e5b7f80", "State": {"Status": "running", "Pid": 9}, "Config": {"Entrypoint": "run"}});
    assert_eq!(near(&container).made.entrypoint, ["run"]);
}

#[test]
fn an_id_that_is_none_is_not_asked_for() {
    for id in ["../../x", "", "a b", "abc", "3f2a9c0d1e5b7f8z"] {
        assert!(listed(&json!({"Id": id})).is_none(), "{id}");
    }
}

#[test]
fn daemon_json_decides_about_ports() {
    let file = "/etc/docker/daemon.json";
    let told = settings(file, r#"{"iptables": false, "userland-proxy": false, "ip": "127.0.0.1", "hosts": ["fd://"]}"#);
    assert_eq!((told.iptables, told.userland_proxy, told.ip.as_deref()), (Some(false), Some(false), Some("127.0.0.1")));
    assert_eq!(told.hosts, ["fd://"]);
    assert!(settings(file, "{ \"ip\": }").broken.is_some());
    assert!(settings(file, "").broken.is_none());
}

#[test]
fn a_log_comes_in_frames_or_without() {
    let mut framed = vec![1, 0, 0, 0, 0, 0, 0, 4];
    framed.extend(b"one\n");
    framed.extend([2, 0, 0, 0, 0, 0, 0, 8]);
    framed.extend(b"two\n\nsix");
    assert_eq!(log_lines(&framed, 20), ["one", "two", "six"]);
    assert_eq!(log_lines(&framed, 2), ["two", "six"]);
    assert_eq!(log_lines(b"plain words\r\nof a terminal\r\n", 20), ["plain words", "of a terminal"]);
    assert_eq!(log_lines(&[1, 0, 0, 0, 255, 255, 255, 255, b'x'], 20), ["x"]);
}

proptest! {
    #[test]
    fn any_answer_is_survived(at in 0..2000_usize, with in "\\PC{0,6}", cut in 0..60_usize, bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        for whole in [docker_list(), docker_inspect()] {
            let mut text: Vec<char> = whole.to_string().chars().collect();
            let from = at.min(text.len());
            let end = (from + cut).min(text.len());
            text.splice(from..end, with.chars());
            if let Ok(value) = serde_json::from_str::<Value>(&text.into_iter().collect::<String>()) {
                let _ = (listed(&value), summary(&value), near(&value));
            }
        }
        prop_assert!(log_lines(&bytes, 5).len() <= 5);
    }
}
