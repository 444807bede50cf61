//! `proxy.toml` from the outside: what is read, how mistakes are told, and that nothing is ever ignored.

// A test that can not go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod commands;
mod defaults;
mod files;
mod from_environment;
mod fuzz;
mod includes;
mod mistakes;
mod rendering;
mod schema;
mod shells;
mod support;
mod typos;
mod values;
