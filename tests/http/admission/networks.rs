//! `allow` and `deny`.

use std::io::Write as _;
use std::net::TcpStream;

use crate::support::{Client, Origin, Proxy, Scratch, config, wait_until};

const DENIED: &str = "evenkeel_access_denied_total{listener=\"web\",route=\"\",reason=\"network\"}";

fn events(proxy: &Proxy, kind: &str) -> Vec<serde_json::Value> {
    let all: serde_json::Value =
        serde_json::from_str(&proxy.admin("/api/v1/events?limit=1000").unwrap().text()).unwrap();
    let list = all.as_array().or(all["events"].as_array()).unwrap().clone();
    list.into_iter().filter(|event| event["kind"] == kind).collect()
}

#[test]
fn a_connection_from_a_denied_network_is_closed_before_anything_is_read() {
    let origin = Origin::ok();
    let proxy =
        Proxy::start(&config("deny = [\"127.0.0.0/8\"]\nallow = [\"127.0.0.2\", \"10.0.0.0/8\"]", "", &[&origin]));
    let mut client = proxy.client();
    assert!(client.ends(), "no answer, not even to nothing");
    assert_eq!(proxy.metric(DENIED), 1);
    // the longest network decides
    assert_eq!(Client::connect_from("127.0.0.2", proxy.address()).get("/x").status, 200);
    assert_eq!(origin.targets(), ["/x"]);
}

#[test]
fn a_route_is_denied_with_403_and_the_connection_goes_on() {
    let origin = Origin::ok();
    let route = "[[listener.route]]\npath = \"/private\"\ndeny = [\"127.0.0.1\"]\nservice = \"api\"\n";
    let proxy = Proxy::start(&config(route, "", &[&origin]));
    let mut client = proxy.client();
    assert_eq!([client.get("/private").status, client.get("/other").status], [403, 200]);
    let mut call = proxy.client();
    call.send("POST /private HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n");
    let answer = call.response();
    assert_eq!((answer.status, answer.field("grpc-status")), (200, Some("7")));
    let denied = "evenkeel_access_denied_total{listener=\"web\",route=\"path /private\",reason=\"network\"}";
    assert_eq!(proxy.metric(denied), 2);
}

#[test]
fn a_file_of_a_hundred_thousand_networks_is_read_again_when_it_changes_and_a_wrong_line_keeps_the_old_list() {
    let (origin, dir) = (Origin::ok(), Scratch::new());
    let many: String = (0..100_000u32).map(|n| format!("10.{}.{}.{}/32\n", n >> 16, n >> 8 & 255, n & 255)).collect();
    let file = dir.file("blocked.txt", &many);
    let proxy = Proxy::start(&config(&format!("deny = [\"file:{}\"]", file.display()), "", &[&origin]));
    let mut kept = proxy.client();
    assert_eq!(kept.get("/x").status, 200);
    replace(&dir, &format!("{many}127.0.0.0/8\n"));
    wait_until("the change is in force", || proxy.client().ends_at_once());
    assert_eq!(kept.get("/x").status, 403, "a connection that was let in before asks no more");
    wait_until("it is told", || !events(&proxy, "access_file_loaded").is_empty());
    assert_eq!(events(&proxy, "access_file_loaded").last().unwrap()["cause"]["entries"], 100_001);
    replace(&dir, "10.0.0.0/8\nexample.com\n");
    wait_until("the mistake is told", || !events(&proxy, "access_file_refused").is_empty());
    let refused = &events(&proxy, "access_file_refused")[0];
    assert_eq!((&refused["cause"]["line"], &refused["level"]), (&2.into(), &"error".into()), "{refused}");
    assert!(
        refused["text"].as_str().unwrap().contains("blocked.txt, line 2: `example.com` is not a network"),
        "{refused}"
    );
    assert_eq!(kept.get("/x").status, 403);
    replace(&dir, "10.0.0.0/8\n");
    wait_until("the list is better", || kept.get("/x").status == 200);
}

/// Replaces the list as a whole: a file that is read while it is written is half a list.
fn replace(dir: &Scratch, text: &str) {
    std::fs::rename(dir.file("next.txt", text), dir.path().join("blocked.txt")).unwrap();
}

trait EndsAtOnce {
    fn ends_at_once(self) -> bool;
}

impl EndsAtOnce for Client {
    /// Whether a request on this new connection gets no answer.
    fn ends_at_once(mut self) -> bool {
        let _ = self.try_send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        self.rest_or_reset().is_empty()
    }
}

trait RestOrReset {
    fn rest_or_reset(&mut self) -> Vec<u8>;
}

impl RestOrReset for Client {
    fn rest_or_reset(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(byte) = self.try_bytes(1) {
            all.extend(byte);
        }
        all
    }
}

#[test]
fn sessions_of_layer_4_are_denied_by_listener_and_by_what_a_proxy_header_says() {
    let origin = Origin::echoing();
    let toml = "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:{port}\"\nprotocol = \"tcp\"\nservice = \"api\"\nproxy_protocol = \"accept\"\n\
         trusted_proxies = [\"127.0.0.0/8\"]\ndeny = [\"192.0.2.0/24\"]\n\
         [[listener]]\nname = \"two\"\nbind = \"127.0.0.1:{port2}\"\nprotocol = \"tcp\"\nservice = \"api\"\nallow = [\"10.0.0.0/8\"]\n[service.api]\n";
    let proxy = Proxy::start(&format!("{toml}{}", crate::support::backend(origin.address())));
    for (source, comes_in) in [("192.0.2.7", false), ("198.51.100.7", true)] {
        let mut tcp = TcpStream::connect(proxy.address()).unwrap();
        tcp.write_all(format!("PROXY TCP4 {source} 192.0.2.1 1 2\r\n").as_bytes()).unwrap();
        let mut client = Client::from_tcp(tcp);
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
        match comes_in {
            true => assert_eq!(client.response().text(), "ok"),
            false => assert_eq!(client.rest_or_reset(), b"", "{source}"),
        }
    }
    assert_eq!(proxy.metric(DENIED), 1);
    assert_eq!(Client::connect(proxy.second_address()).rest_or_reset(), b"");
    assert_eq!(proxy.metric(&DENIED.replace("web", "two")), 1);
    assert_eq!(origin.requests().len(), 1);
}
