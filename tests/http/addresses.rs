//! Backends whose name has several addresses.

use crate::support::{Origin, Proxy, backend, config, namespace, wait_until};

/// An IPv6 address first, where nobody listens.
const HOSTS: &str = "::1 dual.test\n127.0.0.1 dual.test";

#[test]
fn a_name_with_two_addresses_is_served_by_the_one_that_works() {
    namespace::run_with_hosts(HOSTS, "addresses::two_addresses");
}

#[test]
#[ignore = "needs a name of its own: run by the test above with another hosts file"]
fn two_addresses() {
    let origin = Origin::ok();
    let name = origin.address().replace("127.0.0.1", "dual.test");
    let service = "circuit_breaker = { failures = 1, open_for = \"1h\" }\nretry = { attempts = 0 }\n\
                   health = { kind = \"tcp\", interval = \"50ms\", timeout = \"40ms\", fall = 1, initial = \"check_first\" }";
    let proxy = Proxy::start(&(config("", service, &[]) + &backend(&name)));
    let of_backend = |metric: &str| format!("evenkeel_{metric}{{service=\"api\",backend=\"{name}\"}}");
    wait_until("a check has found it", || proxy.metric(&of_backend("backend_up")) == 1);
    for _ in 0..3 {
        let mut client = proxy.client();
        client.send("GET /x HTTP/1.0\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
    assert!(origin.requests().iter().all(|request| request.field("host") == Some(&*name)), "its name is the host");
    assert_eq!(proxy.metric(&of_backend("backend_failures_total")), 0);
    assert_eq!(proxy.status()["services"]["api"]["total"], 1, "it is one backend");
}
