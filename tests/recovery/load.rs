//! Clients of HTTP/2 over TLS while a backend is repaired.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::fleet::{BRIEF, Fleet, REPAIR};
use crate::support::certs::Authority;
use crate::support::{Proxy, Scratch, h2};
use crate::{wait_for_outcome, wait_until};

const CLIENTS: usize = 4;

#[test]
fn clients_of_http2_lose_no_request_while_a_backend_dies_and_is_repaired() {
    let (fleet, dir, authority) = (Fleet::of(&["a", "b", "c"]), Scratch::new(), Authority::shared());
    let recovery = fleet.strategy("strategy = \"restart\"\nwithin = \"20s\"", REPAIR) + BRIEF;
    let tls = format!("[listener.tls]\ncertificates = [{}]\n", authority.sign(&dir, &["localhost"]).toml());
    let toml = fleet.config(&recovery).replace("[service.api]\n", &format!("{tls}[service.api]\n"));
    let proxy = Proxy::start(&toml);
    let config = authority.client(&["h2"], None);
    let over = AtomicBool::new(false);
    // one request after the other on each connection, until the backend is repaired and has work again
    let call = || {
        h2::run(async {
            let client = h2::Client::connect_tls(proxy.address(), &config, "localhost").await.unwrap();
            let (mut sent, mut lost) = (0, 0);
            while !over.load(Ordering::SeqCst) {
                sent += 1;
                lost += usize::from(client.call(h2::get("https://localhost/x"), "").await.status != 200);
            }
            (sent, lost)
        })
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(call)).collect();
        wait_until("it works", || fleet.work_of("a") > 0);
        fleet.kill("a");
        wait_for_outcome(&proxy, "healed");
        let before = fleet.work_of("a");
        wait_until("it gets work", || fleet.work_of("a") > before);
        over.store(true, Ordering::SeqCst);
        for client in clients {
            let (sent, lost) = client.join().unwrap();
            assert_eq!(lost, 0, "of {sent}");
            assert!(sent > 0);
        }
    });
}
