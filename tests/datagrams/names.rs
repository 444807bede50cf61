//! Backends whose name has several addresses.

use crate::support::{Proxy, UdpOrigin, namespace};
use crate::{client, config};

#[test]
fn a_session_goes_to_the_address_where_somebody_is() {
    namespace::run_with_hosts("::1 dual.test\n127.0.0.1 dual.test", "names::two_addresses");
}

#[test]
#[ignore = "needs a name of its own: run by the test above with another hosts file"]
fn two_addresses() {
    let origin = UdpOrigin::echo();
    let name = origin.address().replace("127.0.0.1", "dual.test");
    let proxy = Proxy::start(&config("", "", std::slice::from_ref(&name)));
    for _ in 0..3 {
        assert_eq!(client(&proxy).ask(b"?"), b"?", "also the first datagram of the first session");
    }
    assert_eq!(proxy.metric(&format!("evenkeel_backend_failures_total{{service=\"api\",backend=\"{name}\"}}")), 0);
}
