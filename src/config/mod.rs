//! `proxy.toml` in three steps: raw (what serde sees) -> check (all mistakes at once) -> model (valid by construction).

pub mod model;
