//! Any bytes as the first of a connection that is routed by SNI: no panic, and the same answer however they arrive.

#![no_main]

use evenkeel::layer4::client_hello::{ClientHello, MAX_LENGTH, Progress, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes);
    let stepwise = obediently(bytes);
    match &whole {
        Progress::Need(need) => assert!((bytes.len() + 1..=MAX_LENGTH).contains(need), "{need}"),
        Progress::Hello(hello) => {
            assert_eq!(stepwise, whole, "what is complete is so however it came");
            check(hello);
            assert_eq!(read(&[bytes, b"more"].concat()), whole);
        }
        // less of it may be enough to refuse it, with another reason; and more never makes it good
        Progress::NotTls(_) => assert!(matches!(stepwise, Progress::NotTls(_) | Progress::Need(_))),
    }
    for length in bytes.len().saturating_sub(64)..bytes.len() {
        match read(&bytes[..length]) {
            Progress::Need(need) => {
                assert!(need > length && need <= MAX_LENGTH);
                assert!(need <= bytes.len() || !matches!(whole, Progress::Hello(_)));
            }
            Progress::Hello(_) if matches!(whole, Progress::Hello(_)) => {}
            Progress::Hello(_) => panic!("a hello that is none any more"),
            Progress::NotTls(_) => assert!(matches!(whole, Progress::NotTls(_)), "refused, and then not"),
        }
    }
});

/// As a caller does it: asks again when as much has come as was needed.
fn obediently(bytes: &[u8]) -> Progress {
    let (mut have, mut calls) = (0, 0);
    loop {
        calls += 1;
        assert!(calls < 80, "{calls} calls");
        match read(&bytes[..have]) {
            Progress::Need(need) if need <= bytes.len() => have = need,
            last => return last,
        }
    }
}

fn check(hello: &ClientHello) {
    if let Some(name) = &hello.server_name {
        assert!((1..=253).contains(&name.len()) && !name.ends_with('.') && !name.contains(".."), "{name}");
        assert!(name.bytes().all(|b| b"-_.".contains(&b) || b.is_ascii_lowercase() || b.is_ascii_digit()), "{name}");
    }
    assert_eq!(hello.alpn.is_empty(), hello.alpn.iter().next().is_none());
    assert!(hello.alpn.iter().all(|name| !name.is_empty()));
}
