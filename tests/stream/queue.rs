//! Who waits for a place at a backend, and leaves before there is one.

use serde_json::{Value, json};

use crate::support::certs::Authority;
use crate::support::{Client, Conn, LOG, Origin, Proxy, Scratch, config, wait_until};
use crate::tcp::TCP;

/// A proxy of Layer 4 whose backend takes one session at a time, with these keys.
fn one_at_a_time(listener: &str, service: &str, origin: &Origin) -> Proxy {
    let service = format!("timeout = {{ queue = \"60s\" }}\n{service}");
    let toml = config(&format!("{TCP}\n{listener}"), &service, &[origin]);
    Proxy::start(&(toml + "max_connections = 1\n[service.api.sla]\n[server]\nworkers = 1\n" + LOG))
}

fn wait_for_waiting(proxy: &Proxy, count: u64) {
    wait_until("so many wait", || proxy.status()["services"]["api"]["waiting"] == count);
}

/// A session that has the only place.
fn holder(mut client: Client) -> Client {
    client.send("a");
    assert_eq!(client.bytes(1), b"a");
    client
}

/// What the access log says of the sessions that have ended, oldest first.
fn ended(proxy: &Proxy, count: usize) -> Vec<[Value; 4]> {
    wait_until("their lines are written", || proxy.log().len() >= count);
    let lines = proxy.log();
    let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| ["end", "failure", "aborted", "sla"].map(|member| line[member].clone())).collect()
}

fn gone() -> [Value; 4] {
    [json!("failed"), json!("the client went away"), json!(true), json!("excluded")]
}

#[test]
fn a_client_that_leaves_while_it_waits_gives_up_its_place_and_is_excluded() {
    let origin = Origin::script(Conn::echo);
    let proxy = one_at_a_time("", "", &origin);
    let mut holder = holder(proxy.client());
    let (resets, mut ends, closes) = (proxy.client(), proxy.client(), proxy.client());
    wait_for_waiting(&proxy, 3);
    resets.reset();
    wait_for_waiting(&proxy, 2);
    // what nobody has read yet stands before the end
    ends.send("hello");
    ends.finish();
    wait_for_waiting(&proxy, 1);
    assert!(ends.ends());
    drop(closes);
    wait_for_waiting(&proxy, 0);
    assert_eq!(ended(&proxy, 3), [gone(), gone(), gone()]);
    // nobody else was held up
    holder.send("b");
    assert_eq!(holder.bytes(1), b"b");
    holder.finish();
    assert!(holder.is_closed());
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_client_that_only_ends_its_side_is_kept_where_the_service_says_so() {
    let origin = Origin::script(Conn::echo);
    let proxy = one_at_a_time("", "abort_on_close = false", &origin);
    let mut holder = holder(proxy.client());
    let (mut half, resets) = (proxy.client(), proxy.client());
    wait_for_waiting(&proxy, 2);
    half.send("hello");
    half.finish();
    resets.reset();
    wait_for_waiting(&proxy, 1);
    assert_eq!(ended(&proxy, 1), [gone()]);
    holder.finish();
    assert!(holder.is_closed());
    assert_eq!(half.bytes(5), b"hello");
    assert!(half.is_closed());
}

#[test]
fn a_client_under_tls_that_leaves_while_it_waits_is_noticed_too() {
    let (dir, ca) = (Scratch::new(), Authority::shared());
    let origin = Origin::script(Conn::echo);
    let tls = format!("[listener.tls]\ncertificates = [{}]\n", ca.sign(&dir, &["localhost"]).toml());
    let proxy = one_at_a_time(&tls, "", &origin);
    let config = ca.client(&[], None);
    let connect = || Client::connect_tls(proxy.address(), &config, "localhost").unwrap();
    let holder = holder(connect());
    let (closes, mut says_so) = (connect(), connect());
    wait_for_waiting(&proxy, 2);
    drop(closes);
    wait_for_waiting(&proxy, 1);
    // it waits for our end before it closes the connection
    says_so.close_notify();
    wait_for_waiting(&proxy, 0);
    assert_eq!(ended(&proxy, 2), [gone(), gone()]);
    drop(holder);
}
