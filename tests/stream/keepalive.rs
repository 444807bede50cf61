//! TCP keep-alive on both connections of a session: the kernel notices a side that vanished without a word.

use super::tcp::tcp;
use crate::support::{Conn, Origin, kernel, wait_until};

#[test]
fn both_connections_of_a_silent_session_are_looked_after_by_the_kernel() {
    let origin = Origin::script(Conn::echo);
    let proxy = tcp("", "", &[&origin]);
    let mut client = proxy.client();
    client.send("a");
    assert_eq!(client.bytes(1), b"a");
    wait_until("the backend's is", || kernel::kept_alive(origin.address().parse().unwrap()) == [true]);
    wait_until("the client's is", || kernel::accepted_kept_alive(proxy.address()) == [true]);
}
