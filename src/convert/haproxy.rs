//! `haproxy.cfg` as a `proxy.toml`.

use super::original::Original;
use super::output::Output;

/// Converts a file.
pub fn convert(original: &Original<'_>) -> Output {
    Output::new("HAProxy", original.file)
}
