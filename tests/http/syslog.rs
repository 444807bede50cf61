//! The access log to receivers that are reached over sockets, and to receivers that are gone.

use std::io::Read;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;

use serde_json::Value;

use crate::support::{Origin, PATIENCE, Port, Proxy, Scratch, config, wait_until};

fn proxy(origin: &Origin, log: &str) -> Proxy {
    Proxy::start(&(config("", "", &[origin]) + "\n[log]\n" + log + "\n"))
}

/// A message of syslog, checked, as its priority and what it says.
fn message(text: &str) -> (String, Value) {
    let pieces: Vec<&str> = text.splitn(8, ' ').collect();
    let [head, time, host, app, process, id, data, said] = pieces[..] else { panic!("{text}") };
    let priority = head.strip_prefix('<').and_then(|head| head.strip_suffix(">1")).unwrap();
    assert!(time.len() == 24 && time.ends_with('Z') && !host.is_empty(), "{text}");
    assert_eq!((app, id, data), ("evenkeel", "access", "-"), "{text}");
    assert!(process.parse::<u32>().is_ok(), "{text}");
    (priority.to_owned(), serde_json::from_str(said).unwrap())
}

/// The next message of a stream, by the length before it.
fn framed(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut length = 0;
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        match byte[0] {
            b' ' => break,
            digit @ b'0'..=b'9' => length = length * 10 + usize::from(digit - b'0'),
            other => panic!("{other} in a length"),
        }
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).unwrap();
    String::from_utf8(message).unwrap()
}

fn unix_datagrams(dir: &Scratch, name: &str) -> (UnixDatagram, String) {
    let path = dir.path().join(name);
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    (socket, path.to_str().unwrap().to_owned())
}

#[test]
fn messages_go_over_udp() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let origin = Origin::ok();
    let proxy = proxy(&origin, &format!("access = \"syslog:udp://{}\"", receiver.local_addr().unwrap()));
    for target in ["/one", "/two"] {
        assert_eq!(proxy.client().get(target).status, 200);
        let mut buffer = [0; 65_536];
        let length = receiver.recv(&mut buffer).unwrap();
        let (priority, line) = message(str::from_utf8(&buffer[..length]).unwrap());
        assert_eq!((&*priority, &line["target"]), ("134", &target.into()), "local0, informational");
    }
}

#[test]
fn messages_go_over_a_unix_socket_and_lines_as_they_are_too() {
    let dir = Scratch::new();
    let origin = Origin::ok();
    let (receiver, path) = unix_datagrams(&dir, "log");
    let proxy = proxy(&origin, &format!("access = \"syslog:unix:{path}\"\naccess_facility = \"daemon\""));
    assert_eq!(proxy.client().get("/one").status, 200);
    let mut buffer = vec![0; 1 << 20];
    let length = receiver.recv(&mut buffer).unwrap();
    let (priority, line) = message(str::from_utf8(&buffer[..length]).unwrap());
    assert_eq!((&*priority, &line["target"]), ("30", &"/one".into()));

    let (bare, path) = unix_datagrams(&dir, "bare");
    let log = format!("\n[log]\naccess = \"unixgram:{path}\"\naccess_fields = [\"target\"]\n");
    assert_eq!(proxy.reload(&(config("", "", &[&origin]) + &log)).status, 200);
    assert_eq!(proxy.client().get("/two").status, 200);
    let length = bare.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"{\"target\":\"/two\"}");
}

#[test]
fn messages_over_tcp_have_their_length_before_them() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = Origin::ok();
    let proxy = proxy(&origin, &format!("access = \"syslog:tcp://{}\"", receiver.local_addr().unwrap()));
    let mut client = proxy.client();
    for _ in 0..100 {
        assert_eq!(client.get("/x\u{3f}a=\"").status, 400);
        client = proxy.client();
        assert_eq!(client.get("/x").status, 200);
    }
    let (mut stream, _) = receiver.accept().unwrap();
    let lines: Vec<Value> = (0..200).map(|_| message(&framed(&mut stream)).1).collect();
    assert_eq!(lines.iter().filter(|line| line["status"] == 200).count(), 100);
}

#[test]
fn a_receiver_that_comes_later_or_goes_for_a_while_gets_every_line() {
    let port = Port::reserve();
    let origin = Origin::ok();
    let proxy = proxy(&origin, &format!("access = \"syslog:tcp://{}\"\naccess_fields = [\"target\"]", port.address()));
    let mut client = proxy.client();
    for number in 0..20 {
        assert_eq!(client.get(&format!("/{number}")).status, 200);
    }
    wait_until("the outage is told of", || proxy.stderr().contains("the access log can't be written"));
    let address = port.address();
    let receiver = TcpListener::bind(address).unwrap();
    let (mut stream, _) = receiver.accept().unwrap();
    for number in 0..20 {
        assert_eq!(message(&framed(&mut stream)).1["target"], format!("/{number}"));
    }
    wait_until("its end is told of", || proxy.stderr().contains("the access log is written again"));
    // it ends, and what comes meanwhile waits for the next one
    drop((stream, receiver));
    for number in 20..40 {
        assert_eq!(client.get(&format!("/{number}")).status, 200);
    }
    let receiver = TcpListener::bind(address).unwrap();
    let (mut stream, _) = receiver.accept().unwrap();
    for number in 20..40 {
        assert_eq!(message(&framed(&mut stream)).1["target"], format!("/{number}"));
    }
    assert_eq!(proxy.metric("evenkeel_access_log_dropped_total"), 0);
}

#[test]
fn a_receiver_that_never_comes_costs_lines_and_nothing_else() {
    let port = Port::reserve();
    let origin = Origin::ok();
    let mut proxy = proxy(&origin, &format!("access = \"syslog:tcp://{}\"\n[server]\nworkers = 1", port.address()));
    let mut client = proxy.client();
    // each line has its target, and 32 MiB may wait
    let long = "x".repeat(30_000);
    for _ in 0..1_500 {
        assert_eq!(client.get(&format!("/{long}")).status, 200);
    }
    proxy.wait_for_metrics("evenkeel_access_log_dropped_total");
    wait_until("lines are dropped", || proxy.metric("evenkeel_access_log_dropped_total") > 0);
    assert_eq!(proxy.stderr().matches("the access log can't be written").count(), 1);
    proxy.signal("TERM");
    assert!(proxy.wait().success());
    assert!(proxy.stderr().contains("lines of the access log were not written"), "{}", proxy.stderr());
}

#[test]
fn a_socket_that_is_made_anew_is_found_again() {
    let dir = Scratch::new();
    let origin = Origin::ok();
    let (receiver, path) = unix_datagrams(&dir, "log");
    let proxy = proxy(&origin, &format!("access = \"unixgram:{path}\"\naccess_fields = [\"target\"]"));
    let mut client = proxy.client();
    let mut buffer = vec![0; 1 << 20];
    let mut next = |receiver: &UnixDatagram| {
        let length = receiver.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    assert_eq!(client.get("/one").status, 200);
    assert_eq!(next(&receiver), "{\"target\":\"/one\"}");
    drop(receiver);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(client.get("/two").status, 200);
    wait_until("the outage is told of", || proxy.stderr().contains("the access log can't be written"));
    let (receiver, _) = unix_datagrams(&dir, "log");
    assert_eq!(next(&receiver), "{\"target\":\"/two\"}");
    assert_eq!(client.get("/three").status, 200);
    assert_eq!(next(&receiver), "{\"target\":\"/three\"}");
}

#[test]
fn a_line_that_is_too_long_for_a_datagram_is_cut_at_the_end_of_a_character() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let origin = Origin::ok();
    let listener = "limits = { max_header_bytes = \"256KiB\" }";
    let log = format!(
        "\n[log]\naccess = \"syslog:udp://{}\"\naccess_fields = [\"request_header:x-a\"]\n",
        receiver.local_addr().unwrap()
    );
    let proxy = Proxy::start(&(config(listener, "", &[&origin]) + &log));
    let mut client = proxy.client();
    let long = "\u{20ac}".repeat(30_000);
    client.send(format!("GET /x HTTP/1.1\r\nHost: a\r\nX-A: {long}\r\n\r\n"));
    assert_eq!(client.response().status, 200);
    let mut buffer = vec![0; 70_000];
    let length = receiver.recv(&mut buffer).unwrap();
    let text = str::from_utf8(&buffer[..length]).unwrap();
    assert!((65_000..=65_507).contains(&length) && text.ends_with('\u{20ac}'), "{length}");
}
