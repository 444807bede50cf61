//! Backends whose name has several addresses.

use super::tcp::TCP;
use crate::support::{Conn, Origin, Proxy, backend, config, namespace};

#[test]
fn a_session_goes_to_the_address_that_works() {
    namespace::run_with_hosts("::1 dual.test\n127.0.0.1 dual.test", "names::two_addresses");
}

#[test]
#[ignore = "needs a name of its own: run by the test above with another hosts file"]
fn two_addresses() {
    let origin = Origin::script(Conn::echo);
    let name = origin.address().replace("127.0.0.1", "dual.test");
    let proxy = Proxy::start(&(config(TCP, "retry = { attempts = 0 }", &[]) + &backend(name)));
    for _ in 0..3 {
        let mut client = proxy.client();
        client.send("a");
        assert_eq!(client.bytes(1), b"a");
    }
}
