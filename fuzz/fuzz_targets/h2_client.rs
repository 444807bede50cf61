//! Any bytes as what an HTTP/2 backend says: see `bodies/h2_client.rs`. The first byte tells whether they stand behind its SETTINGS.

#![no_main]

#[path = "../bodies/h2_client.rs"]
mod h2_client;

use libfuzzer_sys::fuzz_target;

/// Empty SETTINGS.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

fuzz_target!(|input: &[u8]| {
    match input.split_first() {
        Some((0, bytes)) => h2_client::hear(bytes),
        Some((_, bytes)) => h2_client::hear(&[&SETTINGS, bytes].concat()),
        None => {}
    }
});
