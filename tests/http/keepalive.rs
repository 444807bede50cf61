//! TCP keep-alive towards backends: the kernel notices one that vanished without a word.

use crate::support::{Origin, Proxy, kernel, wait_until};

#[test]
fn an_idle_connection_to_a_backend_is_looked_after_by_the_kernel() {
    let origin = Origin::ok();
    let proxy = Proxy::to(&origin);
    assert_eq!(proxy.client().get("/x").status, 200);
    wait_until("it is idle", || kernel::kept_alive(origin.address().parse().unwrap()) == [true]);
}
