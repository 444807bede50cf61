//! The files of Unix sockets, which outlive whoever made them: whose they are when one process follows another.

use std::os::unix::net::UnixListener;

use command_fds::{CommandFdExt as _, FdMapping};

use crate::support::{Client, Origin, Port, Proxy, Scratch, Successor, config, wait_until};

/// A listener at this path in place of the one with a port.
fn at(path: &str, origin: &Origin) -> String {
    config("", "", &[origin]).replace("127.0.0.1:{port}", &format!("unix:{path}"))
}

#[test]
fn an_upgrade_that_fails_leaves_the_running_process_its_socket_and_says_why() {
    let origin = Origin::ok();
    let proxy = Proxy::start(&at("{dir}/web.sock", &origin));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let second = format!("[[listener]]\nname = \"second\"\nbind = \"{taken}\"\nservice = \"api\"\n");
    proxy.rewrite(&(at("{dir}/web.sock", &origin) + &second));
    wait_until("the file's change is refused", || proxy.stderr().contains("not reloaded (the file has changed)"));
    proxy.signal("USR2");
    wait_until("the old one says so", || proxy.stderr().contains("this process serves on, the new one failed"));
    assert_eq!(Client::connect_unix(&proxy.path("web.sock")).get("/x").text(), "ok");
    let said = proxy.stderr();
    assert!(
        said.contains(&format!("evenkeel: listener `second` can't be opened at {taken}: address already in use")),
        "{said}"
    );
}

#[test]
fn the_socket_s_file_is_handed_over_and_goes_with_the_last_process() {
    let origin = Origin::ok();
    let mut proxy = Proxy::start(&at("{dir}/web.sock", &origin));
    proxy.signal("USR2");
    assert_eq!(proxy.wait().code(), Some(0));
    let successor = Successor::of(&proxy);
    assert_eq!(Client::connect_unix(&proxy.path("web.sock")).get("/x").text(), "ok");
    assert!(successor.signal("TERM"));
    wait_until("the file is gone", || !proxy.path("web.sock").exists());
}

#[test]
fn the_file_of_a_socket_of_systemd_stays_with_systemd() {
    let (origin, dir) = (Origin::ok(), Scratch::new());
    let path = dir.path().join("web.sock");
    let socket = UnixListener::bind(&path).unwrap();
    let mut proxy = Proxy::start_with(&at(path.to_str().unwrap(), &origin), |command| {
        let mapping = FdMapping { parent_fd: socket.try_clone().unwrap().into(), child_fd: 3 };
        command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "evenkeel.socket");
        command.fd_mappings(vec![mapping]).unwrap();
    });
    assert_eq!(Client::connect_unix(&path).get("/x").text(), "ok");
    // also of the process that follows
    proxy.signal("USR2");
    assert_eq!(proxy.wait().code(), Some(0));
    let successor = Successor::of(&proxy);
    assert_eq!(Client::connect_unix(&path).get("/x").text(), "ok");
    assert!(successor.signal("TERM"));
    wait_until("it stops", || proxy.stderr().matches("stopped").count() == 2);
    assert!(path.exists(), "systemd still listens there, and would start us again");
}

#[test]
fn two_listeners_of_ours_at_one_port_are_not_taken_for_another_process() {
    let (origin, port) = (Origin::ok(), Port::reserve().address().port());
    let listener = |name: &str, address: &str| {
        format!("[[listener]]\nname = \"{name}\"\nbind = \"{address}:{port}\"\nservice = \"api\"\n")
    };
    let one = config("", "", &[&origin]);
    let both = one.clone() + &listener("v4", "0.0.0.0") + &listener("v6", "[::]");
    let proxy = Proxy::start(&both);
    // one takes the other's place while that still listens
    assert_eq!(proxy.reload(&(one + &listener("v4", "127.0.0.1"))).status, 200);
    assert!(!proxy.stderr().contains("another process listens there too"), "{}", proxy.stderr());
}
