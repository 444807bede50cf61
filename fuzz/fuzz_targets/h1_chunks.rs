//! Any bytes as a chunked body: see `bodies/h1.rs`.

#![no_main]

#[path = "../bodies/h1.rs"]
#[allow(dead_code, reason = "of three targets")]
mod h1;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (at, bytes) = input;
    h1::chunks(bytes, usize::from(at));
});
