//! Mirroring: what a second service gets of a route's requests, and that nothing of it is ever felt by clients.

mod bodies;
mod copies;
mod reloads;
mod second_service;
mod shares;

use crate::support::{Client, Origin, Proxy, wait_until};

const MANY: &str = "max_in_flight = 65535";

/// A route for everything to the service `api`, with copies to the service `next`. `mirror` and `next` are further keys of those.
fn toml(mirror: &str, api: &Origin, next: &str, copies_to: &str) -> String {
    let mirror = if mirror.is_empty() { String::new() } else { format!(", {mirror}") };
    format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:{{port}}\"\n[[listener.route]]\npath_prefix = \"/\"\nservice = \"api\"\n\
         mirror = {{ service = \"next\"{mirror} }}\n[[service.api.backend]]\naddress = \"{}\"\n\
         [service.next]\n{next}\n[[service.next.backend]]\naddress = \"{copies_to}\"\n[server]\nworkers = 1\n",
        api.address()
    )
}

fn mirrored(proxy: &Proxy, outcome: &str) -> u64 {
    proxy.metric(&format!("evenkeel_mirrored_total{{listener=\"web\",service=\"next\",outcome=\"{outcome}\"}}"))
}

fn in_flight(proxy: &Proxy) -> u64 {
    proxy.metric("evenkeel_mirrored_in_flight{listener=\"web\",service=\"next\"}")
}

fn wait_for(proxy: &Proxy, outcome: &str, count: u64) {
    wait_until(&format!("{count} copies: {outcome}"), || mirrored(proxy, outcome) == count);
}

/// So many requests on one connection, each of which is answered by the service that is asked.
fn ask(client: &mut Client, requests: usize) {
    for _ in 0..requests {
        let answer = client.get("/x");
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
}
