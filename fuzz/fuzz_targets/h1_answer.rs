//! Any bytes as the head of an answer, with lines that end in LF alone too: see `bodies/h1.rs`.

#![no_main]

#[path = "../bodies/h1.rs"]
#[allow(dead_code, reason = "of three targets")]
mod h1;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (at, bytes) = input;
    h1::answer(bytes, usize::from(at), false);
    h1::answer(bytes, usize::from(at), true);
});
