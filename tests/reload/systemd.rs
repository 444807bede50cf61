//! The service manager's sockets, and what it is told.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use command_fds::{CommandFdExt as _, FdMapping};

use crate::support::{Client, Origin, PATIENCE, Proxy, Scratch, config};

#[test]
fn a_socket_of_systemd_is_served_by_all_workers_and_what_waited_in_it_is_answered() {
    let origin = Origin::ok();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut early = Client::connect(address);
    early.send("GET /early HTTP/1.1\r\nHost: a\r\n\r\n");
    let toml = config("", "", &[&origin]).replace("{port}", &address.port().to_string());
    let mut proxy = Proxy::start_with(&toml, |command| {
        let mapping = FdMapping { parent_fd: socket.into(), child_fd: 3 };
        command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "evenkeel.socket");
        command.fd_mappings(vec![mapping]).unwrap();
    });
    assert_eq!(early.response().text(), "ok");
    for _ in 0..10 {
        assert_eq!(Client::connect(address).get("/x").text(), "ok");
    }
    proxy.signal("TERM");
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn systemd_is_told_of_the_start_of_each_reload_and_of_the_end() {
    let dir = Scratch::new();
    let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    // only the signal has it reloaded: a look at the file would be another one
    let toml = config("", "", &[&Origin::ok()]) + "[server]\nreload_on_change = false\n";
    let mut proxy = Proxy::start_with(&toml, |command| _ = command.env("NOTIFY_SOCKET", dir.path().join("notify")));
    assert_eq!(told(), "READY=1\n");
    for toml in [&toml[..], "bad"] {
        proxy.reload(toml);
        let reloading = told();
        assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
        assert_eq!(told(), "READY=1\n");
    }
    proxy.signal("TERM");
    assert_eq!(told(), "STOPPING=1\n");
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn a_bad_configuration_ends_with_the_exit_code_that_the_unit_file_does_not_try_again() {
    let dir = Scratch::new();
    let file = dir.file("proxy.toml", "wrong = 1");
    let ended = Command::new(env!("CARGO_BIN_EXE_evenkeel")).arg("run").arg("-c").arg(file).output().unwrap();
    let unit = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/evenkeel.service")).unwrap();
    let set = |key: &str| unit.lines().filter_map(|line| line.strip_prefix(key)).collect::<Vec<_>>();
    assert_eq!(set("RestartPreventExitStatus="), [ended.status.code().unwrap().to_string()]);
    assert_eq!((set("Restart="), set("StartLimitIntervalSec=")), (vec!["on-failure"], vec!["0"]));
    assert!(
        set("ExecStartPre=").is_empty(),
        "its exit code would be tried again: systemd asks for the main process's only"
    );
}
