//! What can't be done is said at once, and by whoever knows why.

use std::fs::File;
use std::process::{Command, Stdio};

use crate::support::{Origin, PATIENCE, Proxy, config, wait_until};

#[test]
fn a_reload_that_is_asked_for_during_a_drain_is_refused_at_once() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let origin = Origin::script(move |conn| {
        let _ = conn.request();
        let _ = gone.lock().unwrap().recv_timeout(PATIENCE);
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let mut proxy = Proxy::to(&origin);
    let mut client = proxy.client();
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("it is under way", || origin.requests().len() == 1);
    proxy.signal("TERM");
    proxy.wait_until_it_accepts_no_more();
    let answer = proxy.admin_call("POST", "/api/v1/reload", "").unwrap();
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("the process is stopping"), "{}", answer.text());
    go.send(()).unwrap();
    assert_eq!(client.response().text(), "ok");
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn a_reload_that_takes_for_ever_does_not_keep_the_process_from_stopping() {
    let mut proxy = Proxy::to(&Origin::ok());
    let pipe = proxy.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // nobody ever writes into it, so that to open it takes for ever
    std::fs::rename(&pipe, proxy.path("proxy.toml")).unwrap();
    proxy.signal("HUP");
    proxy.signal("TERM");
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(proxy.stderr().contains("stopping signal=SIGTERM"), "{}", proxy.stderr());
}

#[test]
fn another_state_dir_is_for_the_next_start_and_refuses_no_reload() {
    let origin = Origin::ok();
    let toml = |state: &str| config("", "", &[&origin]) + &format!("[service.api.affinity]\nby = \"cookie\"\n{state}");
    let proxy = Proxy::start(&toml(""));
    let mut cookie = proxy.client().get("/x").head.field("set-cookie").unwrap().to_owned();
    cookie.truncate(cookie.find(';').unwrap());
    let elsewhere = toml("").replace("[service.api]", "[service.api]\nslow_start = \"1s\"");
    proxy.rewrite(&elsewhere);
    let file = proxy.path("proxy.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let state = format!("state_dir = {:?}", proxy.path("state"));
    assert!(text.contains(&state));
    std::fs::write(&file, text.replace(&state, "state_dir = \"elsewhere\"")).unwrap();
    let answer = proxy.admin_call("POST", "/api/v1/reload", "").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(proxy.stderr().contains("server.state_dir can't change while the process runs"));
    let mut client = proxy.client();
    client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n"));
    assert_eq!(client.response().head.field("set-cookie"), None, "it is signed with the same key");
}

#[test]
fn with_too_few_file_descriptors_it_does_not_claim_to_serve() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    let (file, said) = (proxy.path("other.toml"), proxy.path("said"));
    for most in 8..32 {
        let toml = format!(
            "[server]\nworkers = 2\nstate_dir = {:?}\n[admin]\nbind = \"127.0.0.1:0\"\n[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n\
             service = \"api\"\n[service.api]\nbackend = [{{ address = \"{}\" }}]\n",
            proxy.path("state"),
            origin.address()
        );
        std::fs::write(&file, toml).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit -n {most}; exec \"$0\" run -c \"$1\""), env!("CARGO_BIN_EXE_evenkeel")])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(File::create(&said).unwrap())
            .spawn()
            .unwrap();
        let text = || std::fs::read_to_string(&said).unwrap();
        let mut ended = None;
        wait_until("it serves or ends", || {
            ended = child.try_wait().unwrap();
            ended.is_some() || text().lines().any(|line| line.ends_with(" ready"))
        });
        let _ = child.kill();
        child.wait().unwrap();
        match ended {
            Some(status) => assert_eq!(status.code(), Some(1), "{most}: {}", text()),
            None => assert!(!text().contains("ERROR"), "{most}: {}", text()),
        }
    }
}

#[test]
fn a_log_that_nobody_reads_any_more_stops_nothing() {
    let origin = Origin::ok();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut proxy = Proxy::start_with(&config("", "", &[&origin]), |command| _ = command.stderr(writer));
    drop(reader);
    assert_eq!(proxy.admin_call("POST", "/api/v1/reload", "").unwrap().status, 200);
    assert_eq!(proxy.client().get("/x").text(), "ok");
    proxy.signal("TERM");
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn a_disk_that_is_full_is_told_of_once() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&(config("", "", &[&origin]) + "[log]\naccess = \"/dev/full\"\n"));
    let told = || proxy.stderr().matches("the access log can't be written").count();
    for _ in 0..100 {
        proxy.client().get("/x");
    }
    wait_until("it is told of", || told() > 0);
    for _ in 0..100 {
        proxy.client().get("/x");
    }
    assert_eq!(told(), 1);
}

#[test]
fn a_reload_that_names_an_access_log_that_cannot_be_opened_is_refused_and_lines_go_where_they_went() {
    let origin = Origin::ok();
    let toml = |file: &str| config("", "", &[&origin]) + &format!("[log]\naccess = \"{{dir}}/{file}\"\n");
    let proxy = Proxy::start(&toml("access.log"));
    let answer = proxy.reload(&toml("missing/access.log"));
    assert_eq!(answer.status, 422, "{}", answer.text());
    let log = proxy.path("missing/access.log");
    assert!(answer.text().contains(&format!("the access log {} can't be written", log.display())), "{}", answer.text());
    proxy.client().get("/x");
    wait_until("the line is written", || {
        std::fs::read_to_string(proxy.path("access.log")).unwrap_or_default().lines().count() == 1
    });
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let proxy = Proxy::to(&Origin::ok());
    let fails = |toml: &str| {
        let file = proxy.path("other.toml");
        let start = format!("[server]\nstate_dir = {:?}\n[admin]\nbind = \"127.0.0.1:0\"\n", proxy.path("keys"));
        let rest = "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\nservice = \"api\"\n[service.api]\n\
                    backend = [{ address = \"127.0.0.1:1\" }]\n";
        std::fs::write(&file, start + rest + toml).unwrap();
        let ended = Command::new(env!("CARGO_BIN_EXE_evenkeel")).arg("run").arg("-c").arg(&file).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        said
    };
    let log = proxy.path("missing/access.log");
    let said = fails(&format!("[log]\naccess = {log:?}\n"));
    assert!(said.contains(&format!("the access log {} can't be written", log.display())), "{said}");
    let key = proxy.path("keys/affinity.key");
    std::fs::create_dir_all(proxy.path("keys")).unwrap();
    std::fs::write(&key, "short").unwrap();
    let said = fails("[service.api.affinity]\nby = \"cookie\"\n");
    assert!(said.contains(&format!("{}: it is too short to be a key", key.display())), "{said}");
}
