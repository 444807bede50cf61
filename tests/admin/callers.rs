//! Who asks is told with what is done.

use crate::support::certs::Authority;
use crate::support::{Proxy, Scratch, config, wait_until};
use crate::with;

#[test]
fn without_tokens_and_certificates_it_is_the_address_that_is_told() {
    let proxy = with("");
    assert_eq!(proxy.command("drain", "a"), 200);
    wait_until("it is told", || proxy.stderr().contains("an operator said: drain"));
    assert!(proxy.stderr().contains("who=\"127.0.0.1\""), "{}", proxy.stderr());
    assert_eq!(proxy.admin_call("POST", "/api/v1/reload", "").unwrap().status, 200);
    assert!(proxy.stderr().contains("reloaded (POST /api/v1/reload by 127.0.0.1)"), "{}", proxy.stderr());
}

#[test]
fn whoever_shows_a_certificate_is_told_by_its_subject() {
    let dir = Scratch::new();
    let operators = Authority::new();
    let operator = operators.sign(&dir, &["operator.example"]);
    let own = Scratch::new();
    let own = Authority::shared().sign(&own, &["localhost"]);
    let tls = format!("tls = {{ cert = {:?}, key = {:?}, client_ca = {:?} }}", own.cert, own.key, operators.file(&dir));
    let backend = "[[service.api.backend]]\naddress = \"127.0.0.1:9\"\nid = \"a\"\n";
    let proxy = Proxy::start_unasked(&format!("{}{backend}\n[admin]\n{tls}\n", config("", "", &[])));
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(["drain", "api", "a", "-c"])
        .arg(proxy.path("proxy.toml"))
        .args(["--cert", operator.cert.to_str().unwrap(), "--key", operator.key.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let said = proxy.stderr();
    assert!(said.contains("who=\"certificate ") && said.contains(" from 127.0.0.1\""), "{said}");
}
